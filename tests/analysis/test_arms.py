"""Arms over seeds: means, Student intervals, paired differences, verdicts."""

import numpy as np
import pytest
from scipy import stats

from modelheir.analysis.arms import arm_rows, over_seeds
from modelheir.analysis.gate import GateConfig
from modelheir.types import Predictions


def made(prediction, label):
    ids = np.array([f"i{k}" for k in range(len(label))])
    return Predictions(ids, np.asarray(label), np.asarray(prediction), classes=("a", "b"))


def test_interval_is_student_s():
    values = [0.1, 0.4, 0.2, 0.25]
    mean, (low, high) = over_seeds(values, confidence=0.9)
    expected = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((np.mean(values), *expected))
    assert over_seeds([0.3]) == (0.3, None)


def test_rows_are_means_over_seeds_and_differences_are_paired():
    label = np.zeros(10, dtype=int)

    def right(count):
        return made([0] * count + [1] * (10 - count), label)

    arms = {
        "none": {0: (right(8), right(7)), 1: (right(8), right(9))},
        "better": {0: (right(8), right(8)), 1: (right(8), right(10))},
    }
    none, better = arm_rows(arms, baseline="none", gate=GateConfig(max_nfr=0.05, point=True))
    assert none["error"] == pytest.approx(0.2)
    assert none["nfr_values"] == pytest.approx([0.1, 0.0])
    high = stats.t.interval(0.95, 1, loc=0.05, scale=stats.sem([0.1, 0.0]))[1]
    assert none["nfr_interval"] == pytest.approx((0, min(high, 1)))  # Student's lower end is below 0
    assert better["error_difference"] == pytest.approx(-0.1)
    assert better["error_difference_interval"] == pytest.approx((-0.1, -0.1))
    assert "error_difference" not in none
    assert none["gate"]["passed"] is False
    assert none["gate"]["seeds_passed"] == 1
    assert none["gate"]["reasons"][0].startswith("seed 0: ")
    assert better["gate"]["passed"] is True


def test_without_bounds_there_is_no_verdict():
    pair = made([0, 1], [0, 1]), made([0, 0], [0, 1])
    (row,) = arm_rows({"x": {0: pair}})
    assert row["gate"]["passed"] is None
    assert row["error_interval"] is None
