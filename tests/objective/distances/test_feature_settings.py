"""Groups of settings are rows of the table, under the same names."""

import dataclasses

from modelheir.objective.distances.feature_settings import FeatureSettings
from modelheir.objective.distances.table import LOSSES


def test_every_group_is_that_of_its_row():
    for group in dataclasses.fields(FeatureSettings):
        assert type(group.default_factory()) is LOSSES[group.name].settings
