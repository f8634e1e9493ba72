"""What can be tried: one table of words and one of stages, and what auto stands for."""

import dataclasses

from modelheir.checks import limits
from modelheir.methods.cotrain.config import Config
from modelheir.methods.cotrain.names import ABOUT, AUTO, AUTO_TRIES, tried


def test_auto_stands_for_what_the_settings_say_it_does():
    assert tried((AUTO,)) == AUTO_TRIES
    assert set(AUTO_TRIES) <= set(ABOUT)
    said = next(one for name, one in _about() if name == "algorithms").split("auto is ")[1]
    assert tuple(said.replace(" and ", ", ").split(", ")) == AUTO_TRIES


def test_each_is_tried_once_in_the_order_that_was_asked_for():
    assert tried(("svm", "mct", "svm")) == ("svm", "mct")
    assert tried(("mct", AUTO)) == ("mct", *(name for name in AUTO_TRIES if name != "mct"))


def test_every_name_is_allowed_and_none_else():
    limit = {name: limit for name, _, limit in limits(Config)}["algorithms"]
    assert set(limit.words) == {AUTO, *ABOUT}
    assert all(len(line) < 100 for line in ABOUT.values())


def _about():
    from modelheir.config.describe import comments

    found = comments(Config)
    return [(field.name, found[field.name]) for field in dataclasses.fields(Config)]
