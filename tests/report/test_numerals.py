import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.report import numerals


@pytest.mark.parametrize("value", [None, math.nan, math.inf, True, "0.5", [0.1], np.array([0.1, 0.2])])
def test_what_is_not_a_number_becomes_a_dash(value):
    for write in (numerals.percent, numerals.points, numerals.count, numerals.decimal, numerals.p_value):
        assert write(value) == numerals.MISSING


@settings(deadline=None, max_examples=25)
@given(st.floats(-1, 10))
def test_percent_is_within_half_of_its_last_digit(value):
    shown = float(numerals.percent(value).rstrip("%").replace("\N{MINUS SIGN}", "-"))
    assert abs(shown - 100 * value) <= 0.005 + 1e-9


def test_numpy_numbers_count_as_numbers():
    assert numerals.percent(np.float32(0.25)) == "25.00%"
    assert numerals.count(np.int64(1234)) == "1,234"


def test_signs_and_intervals():
    assert numerals.points(-0.01) == "\N{MINUS SIGN}1.00 pp"
    assert numerals.points(-0.000001) == "0.00 pp"
    assert numerals.interval([-0.01, 0.02], 1) == "[\N{MINUS SIGN}1.0, 2.0]"
    assert numerals.interval([None, 0.02]) == ""
    assert numerals.p_value(0.001) == "0.001"
