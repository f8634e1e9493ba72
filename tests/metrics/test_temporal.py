import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modelheir.metrics.temporal import (
    accuracy_by_lead,
    backward_transfer,
    drift_horizon,
    forgetting,
    mean_drop_per_step,
    stability,
    worst_step,
)

fraction = st.floats(0, 1) | st.just(float("nan"))
tables = st.integers(1, 5).flatmap(lambda size: arrays(float, (size, size), elements=fraction))
curves = arrays(float, st.integers(1, 7), elements=st.floats(0.01, 1))


def mean(values):
    values = [value for value in values if value == value]
    return sum(values) / len(values) if values else float("nan")


@settings(deadline=None)
@given(tables)
def test_against_loops_over_the_table(table):
    steps = range(len(table))
    lead = [mean([table[t][t + k] for t in steps if t + k < len(table)]) for k in steps]
    np.testing.assert_allclose(accuracy_by_lead(table), lead)
    drops = [table[t][s] - table[t][s + 1] for t in steps for s in range(t, len(table) - 1)]
    np.testing.assert_allclose(mean_drop_per_step(table), mean(drops), atol=1e-12)
    gains = [table[-1][s] - table[s][s] for s in steps[:-1]]
    np.testing.assert_allclose(backward_transfer(table), mean(gains), atol=1e-12)
    lost = []
    for s in steps[:-1]:
        before = [table[t][s] for t in steps[:-1] if table[t][s] == table[t][s]]
        lost.append(max(before) - table[-1][s] if before else float("nan"))
    np.testing.assert_allclose(forgetting(table), mean(lost), atol=1e-12)


@settings(deadline=None)
@given(st.integers(2, 5), st.floats(0, 1))
def test_of_one_accuracy_everywhere_nothing_changes(size, value):
    table = np.full((size, size), value)
    assert mean_drop_per_step(table) == backward_transfer(table) == forgetting(table) == 0
    np.testing.assert_allclose(accuracy_by_lead(table), value)


@settings(deadline=None)
@given(curves, st.floats(0, 0.5))
def test_stability_and_horizon_by_their_definitions(curve, tolerance):
    pairs = [(a + b) / 2 for a, b in itertools.pairwise(curve)]
    assert stability(curve) == pytest.approx(mean(pairs) / curve[0] if pairs else 1)
    horizon = drift_horizon(curve, tolerance=tolerance)
    assert all(curve[: horizon + 1] >= curve[0] - tolerance - 1e-9)
    assert horizon == len(curve) - 1 or curve[horizon + 1] < curve[0] - tolerance
    assert drift_horizon(curve, tolerance=1) == len(curve) - 1


def test_stability_is_numpys_area():
    curve = np.array([0.9, 0.5, 0.7, 0.6])
    area = np.interp(np.linspace(0, 3, 3001), np.arange(4), curve).mean()
    assert stability(curve) == pytest.approx(area / 0.9, rel=1e-3)


def test_forgetting_is_not_less_than_what_backward_transfer_loses():
    table = np.random.default_rng(0).random((4, 4))
    assert forgetting(table) >= -backward_transfer(table)


def test_edges():
    assert accuracy_by_lead(np.array([[0.5]])).tolist() == [0.5]
    for measure in (mean_drop_per_step, backward_transfer, forgetting):
        assert np.isnan(measure(np.array([[0.5]])))
    assert worst_step([np.nan, 0.4, 0.4]) == (1, 0.4)
    assert drift_horizon([0.9, np.nan, 0.9]) == 0
    assert drift_horizon([0.9, 0.85], tolerance=0.05) == 1
    assert stability([0.3]) == 1


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"shape \(S, S\) with S >= 1, got \(2, 3\)"):
        accuracy_by_lead(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="got"):
        forgetting(np.zeros((0, 0)))
    with pytest.raises(ValueError, match="2 dimensions"):
        backward_transfer(np.zeros(3))
    with pytest.raises(ValueError, match="fractions from 0 to 1"):
        mean_drop_per_step(np.array([[90.0]]))
    with pytest.raises(ValueError, match="at least one measured"):
        worst_step([np.nan])
    with pytest.raises(ValueError, match="measured at every lead"):
        stability([0.5, np.nan])
    with pytest.raises(ValueError, match="accuracy_at_lead_0 must be > 0"):
        stability([0.0, 0.5])
    with pytest.raises(ValueError, match="the accuracy at lead 0"):
        drift_horizon([np.nan, 0.5])
    with pytest.raises(ValueError, match="tolerance must be >= 0"):
        drift_horizon([0.5], tolerance=-0.1)
