"""Settings of co-training: what a choice leaves aside, and what is said of each."""

import pytest

from modelheir.checks import InputError
from modelheir.config.describe import settings
from modelheir.config.mapping import from_mapping
from modelheir.config.unread import refuse_unread, unread
from modelheir.methods.cotrain.config import Config


@pytest.mark.parametrize(
    ("algorithms", "aside"),
    [
        (("auto",), {"consistency", "mpl"}),
        (("supervised",), {"consistency", "mct", "mpl", "meta_rate", "pseudo_threshold", "rounds", "exchange"}),
        (("mpl", "cotrain"), {"consistency", "mct", "pseudo_threshold"}),
        (("consistency", "pseudo_label", "mct"), {"mpl", "rounds", "exchange"}),
    ],
)
def test_algorithms_leave_the_settings_of_others_aside(algorithms, aside):
    alone = {"budget"} if algorithms == ("supervised",) else set()  # the first is tried whatever the time
    assert set(unread(Config(algorithms=algorithms, labels="1 %", tune="all"))) == aside | alone
    assert set(unread(Config(algorithms=algorithms))) == {*aside, *alone, "label_rule", "tuning"}


def test_a_setting_that_nothing_reads_is_refused_with_the_choice():
    config = from_mapping(Config, {"algorithms": ["mct"], "rounds": {"number": 3}}, where="method")
    with pytest.raises(
        InputError, match=r"method\.rounds\.number = 3 has no effect with method\.algorithms = \['mct'\]"
    ):
        refuse_unread(config, Config(), "method")


def test_what_is_said_of_a_setting_is_whole():
    said = {one.key: one.about for one in settings(Config)}
    assert said["views"].endswith("() is the left and the right half of the digits")
    assert said["labels"].endswith("of the digits 5 per class")
    assert said["head.normalise"].endswith("or as they are")


def test_an_unknown_algorithm_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"algorithms.*cotrain"):
        from_mapping(Config, {"algorithms": ["cotraining"]}, where="method")
