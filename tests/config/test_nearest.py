"""A setting that does not exist leads to the one that was meant, or to none."""

import pytest

from modelheir.config.nearest import nearest_setting

KNOWN = ("data", "out", "fit.lr", "fit.epochs", "inputs.image_size", "method.pull.weight")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("epochs", "fit.epochs"),  # the same last name elsewhere
        ("model.lr", "fit.lr"),
        ("learning_rate", "fit.lr"),  # another program's word
        ("img_size", "inputs.image_size"),
        ("fit.epohcs", "fit.epochs"),  # a near spelling
        ("wieght", "method.pull.weight"),
        ("confi", "config"),  # a word beside the settings
        ("zzzzzz", ""),
    ],
)
def test_what_was_meant(key, meant):
    assert nearest_setting(key, KNOWN, ["config", "help"]) == meant


def test_a_word_that_is_known_here_goes_before_another_programs():
    assert nearest_setting("teachr", ("old", "method.teacher")) == "method.teacher"
    assert nearest_setting("teachr", ("old", "method.student")) == "old"
