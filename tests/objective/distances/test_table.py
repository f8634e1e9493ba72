"""The tables name losses that are there, and each row's group of settings."""

import dataclasses

import pytest

from modelheir import losses
from modelheir.objective.distances import DISTANCES, LOSSES, DistanceConfig, LossesConfig


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
