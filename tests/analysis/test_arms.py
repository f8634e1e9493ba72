"""Arms over seeds: means, Student intervals, paired differences, verdicts."""

import numpy as np
import pytest
from scipy import stats

from modelheir.analysis.arms import arm_rows, over_seeds
from modelheir.analysis.gate.bounds import GateConfig
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


def test_an_arm_passes_where_every_seed_does_and_names_those_that_do_not():
    label = np.zeros(100, dtype=int)

    def lost(count):
        return made([0] * 100, label), made([1] * count + [0] * (100 - count), label)

    arms = {"mixed": {2: lost(0), 0: lost(1), 1: lost(30)}, "good": {0: lost(0), 1: lost(0)}}
    mixed, good = arm_rows(arms, gate=GateConfig(max_nfr=0.05))
    assert mixed["seeds"] == [0, 1, 2]
    assert mixed["nfr_values"] == pytest.approx([0.01, 0.3, 0.0])
    assert mixed["gate"]["passed"] is False
    assert mixed["gate"]["seeds_passed"] == 1  # one lost image of a hundred: its upper end is above 5 %
    assert [reason[:8] for reason in mixed["gate"]["reasons"]] == ["seed 0: ", "seed 1: "]
    assert (good["gate"]["passed"], good["gate"]["reasons"], good["gate"]["seeds_passed"]) == (True, [], 2)


def test_every_measure_of_a_row_is_that_of_its_pair():
    label = np.array([0, 0, 0, 0, 1])
    pair = made([0, 0, 0, 1, 0], label), made([0, 1, 1, 0, 1], label)
    (row,) = arm_rows({"x": {3: pair}})
    assert (row["n"], row["seeds"], row["name"]) == (5, [3], "x")
    assert row["error_old"] == pytest.approx(0.4)
    expected = {"error": 0.4, "nfr": 0.4, "pfr": 0.4, "churn": 0.8, "relative_nfr": 0.4 / (0.6 * 0.4)}
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert all(row[f"{name}_values"] == [row[name]] for name in expected)


def test_differences_use_the_seeds_that_both_have():
    label = np.zeros(10, dtype=int)

    def wrong(count):
        return made([0] * 10, label), made([1] * count + [0] * (10 - count), label)

    arms = {"none": {0: wrong(5), 2: wrong(1)}, "arm": {0: wrong(3), 1: wrong(9), 2: wrong(2)}}
    _, arm = arm_rows(arms, baseline="none")
    assert arm["error_difference"] == pytest.approx(np.mean([-0.2, 0.1]))
    assert arm["nfr_difference"] == pytest.approx(np.mean([-0.2, 0.1]))
    low, high = stats.t.interval(0.95, 1, loc=-0.05, scale=stats.sem([-0.2, 0.1]))
    assert arm["error_difference_interval"] == pytest.approx((low, high))
    assert arm["error"] == pytest.approx(np.mean([0.3, 0.9, 0.2]))


def test_a_mean_over_seeds_has_no_end_outside_its_range():
    assert over_seeds([0.0, 0.02], within=(0, 1))[1][0] == 0
    assert over_seeds([1.0, 0.98], within=(0, 1))[1][1] == 1
    assert over_seeds([0.0, 0.02])[1][0] < 0


def test_means_of_rates_near_one_have_no_end_above_it():
    label = np.zeros(10, dtype=int)

    def pair(right_old, right_new):
        return tuple(made([0] * right + [1] * (10 - right), label) for right in (right_old, right_new))

    (lost,) = arm_rows({"lost": {0: pair(10, 0), 1: pair(8, 0)}})
    for name in ("error", "nfr", "churn"):
        assert lost[f"{name}_interval"][1] == 1
    (won,) = arm_rows({"won": {0: pair(0, 10), 1: pair(0, 8)}})
    assert won["pfr_interval"][1] == 1
    (many,) = arm_rows({"many": {0: pair(9, 8), 1: pair(9, 6)}})
    assert many["relative_nfr_interval"][1] > 1
