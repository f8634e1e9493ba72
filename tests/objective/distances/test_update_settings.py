"""Every group says its defaults once more by hand: see ``test_choice``."""

import dataclasses

import pytest

from modelheir.objective.distances import update_settings
from modelheir.objective.distances.update_settings import UpdateSettings


@pytest.mark.parametrize("group", dataclasses.fields(UpdateSettings), ids=lambda one: one.name)
def test_a_group_begins_with_its_own_defaults(group):
    assert group.default_factory() == getattr(update_settings, type(group.default_factory()).__name__)()
