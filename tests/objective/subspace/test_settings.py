"""Limits, and what a choice leaves aside."""

import dataclasses

import pytest

from modelheir.checks import InputError, validate
from modelheir.config.unread import refuse_unread
from modelheir.objective.subspace import QuasiNewtonConfig

BAD = {
    "sigma": 0.6,
    "rho": 1.0,
    "max_trials": 0,
    "pairs": "other",
    "damping": 1.0,
    "first_step": -1.0,
    "scale": 0.0,
    "condition": 1.0,
    "alpha": -0.1,
    "gamma": 1.1,
    "accumulate": 0,
    "compat": "first",
}


@pytest.mark.parametrize(("name", "value"), BAD.items())
def test_bad_values_are_refused(name, value):
    with pytest.raises(InputError, match=rf"method\.steps\.{name} = {value!r}: must be"):
        validate(QuasiNewtonConfig(**{name: value}), "method.steps")


def test_every_limited_setting_is_tried():
    names = {field.name for field in dataclasses.fields(QuasiNewtonConfig)}
    assert names - set(BAD) == {"interpolate"}
    validate(QuasiNewtonConfig())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"gamma": 0.5}, r"gamma = 0\.5 has no effect with m\.alpha = 0\.0"),
        ({"compat": "latest", "max_trials": 3}, r"max_trials = 3 has no effect with m\.compat = 'latest'"),
        ({"compat": "dldr", "damping": 0.3}, r"damping = 0\.3 has no effect with m\.compat = 'dldr'"),
    ],
)
def test_what_has_no_effect_is_refused(given, why):
    with pytest.raises(InputError, match=why):
        refuse_unread(QuasiNewtonConfig(**given), QuasiNewtonConfig(), "m")
    refuse_unread(QuasiNewtonConfig(compat="dldr", max_trials=30, alpha=0.1, gamma=0.5), QuasiNewtonConfig(), "m")
