"""Stretches of time, as words and as seconds."""

import pytest

from modelheir.checks import InputError
from modelheir.config.pilot import PilotConfig, seconds_of, time_text


@pytest.mark.parametrize("text", ["10", "m", "0s", "-1m", "1d", "1e3s", "10 m", "1.m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError, match=r"must be a time above 0 with its unit, such as 90s, 10m or 1h"):
        PilotConfig(text)


def test_times_are_read_back_and_never_shorter():
    for seconds in (1, 59.5, 119, 121, 3_599, 90_000):
        again = seconds_of(time_text(seconds))
        assert seconds <= again <= 1.5 * seconds + 1


def test_minutes_may_be_written_out_and_the_setting_is_named():
    assert seconds_of("2 min") == seconds_of("2min") == 120
    with pytest.raises(InputError, match=r"method\.budget = 'min': must"):
        seconds_of("min", setting="method.budget")


def test_no_budget_is_a_training():
    assert PilotConfig().budget == ""
