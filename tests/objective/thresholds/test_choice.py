"""Settings of labels from predictions: limits, words that others use, and what a choice leaves aside."""

import pytest

from modelheir.checks import InputError, validate
from modelheir.config.unread import refuse_unread
from modelheir.objective import PseudoLabelConfig


@pytest.mark.parametrize(
    ("chosen", "aside"),
    [
        ({}, {"warm_up", "momentum", "spread"}),
        ({"threshold": "flexmatch"}, {"momentum", "spread"}),
        ({"threshold": "freematch"}, {"confidence", "warm_up", "spread"}),
        ({"threshold": "softmatch"}, {"confidence", "warm_up"}),
        ({"align": "uniform"}, {"warm_up", "spread"}),
    ],
)
def test_what_is_left_aside(chosen, aside):
    assert set(PseudoLabelConfig(**chosen).unread()) == aside


def test_what_has_no_effect_is_refused():
    with pytest.raises(InputError, match=r"labels\.spread = 3\.0 has no effect with labels\.threshold = 'fixed'"):
        refuse_unread(PseudoLabelConfig(spread=3.0), PseudoLabelConfig(), "labels")
    with pytest.raises(InputError, match=r"labels\.threshold = 'fixed' and align = 'none'"):
        refuse_unread(PseudoLabelConfig(momentum=0.5), PseudoLabelConfig(), "labels")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threshold": "fixmatch"}, "Did you mean 'fixed'"),
        ({"confidence": 1.5}, "from 0 to 1"),
        ({"momentum": -0.1}, "from 0 to 1"),
        ({"spread": 0.0}, "> 0"),
        ({"align": "labeled"}, "Did you mean 'labelled'"),
        ({"sharpen": -1.0}, ">= 0"),
    ],
)
def test_limits(wrong, said):
    with pytest.raises(InputError, match=said):
        validate(PseudoLabelConfig(**wrong), "labels")
