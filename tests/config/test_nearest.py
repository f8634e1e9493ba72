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
