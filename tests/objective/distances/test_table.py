"""The tables name losses that are there, and each row's group of settings."""

import dataclasses
import re
from pathlib import Path

import pytest

from modelheir import losses
from modelheir.checks import InputError, validate
from modelheir.config.mapping import from_mapping
from modelheir.objective.distances import CALLED, DISTANCES, LOSSES, DistanceConfig, LossesConfig


@pytest.mark.parametrize(("config", "rows"), [(DistanceConfig, DISTANCES), (LossesConfig, LOSSES)])
def test_groups_of_settings_are_named_as_the_losses(config, rows):
    groups = {
        field.name for field in dataclasses.fields(config) if dataclasses.is_dataclass(getattr(config(), field.name))
    }
    assert groups == {name for name, row in rows.items() if row.settings}
    for name, row in rows.items():
        assert hasattr(losses, row.module or name), name


def test_losses_hold_every_distance():
    assert DISTANCES.items() <= LOSSES.items()
    assert all(row.reads in ("logits", "features") for row in DISTANCES.values())


@pytest.mark.parametrize(("other", "name"), CALLED.items())
def test_what_others_call_a_loss_is_answered_with_its_name_and_documented(other, name):
    assert other == other.lower()
    assert other not in LOSSES
    for asked in (other, other.upper()):
        with pytest.raises(InputError, match=rf"losses = '{asked}': must be one of .* Did you mean '{name}'\?$"):
            from_mapping(LossesConfig, {"losses": [asked]})
    if name not in DISTANCES:  # no name that is refused in turn
        with pytest.raises(InputError, match=rf"^loss = '{other}'") as found:
            validate(DistanceConfig(loss=other))
        assert f"'{name}'?" not in str(found.value)
    shelf = (Path(__file__).parents[3] / "docs/methods/distill.md").read_text()
    assert re.search(rf"`{name}` \([^)]*\b{other}\b", shelf, re.IGNORECASE)
