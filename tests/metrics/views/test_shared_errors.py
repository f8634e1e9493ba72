import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics.views.shared_errors import SharedErrors, expected_double_fault, shared_errors


def draw(seed, n=40):
    generator = np.random.default_rng(seed)
    return generator.random(n) < 0.7, generator.random(n) < 0.5, generator.integers(0, 3, n)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999))
def test_against_a_loop_and_numpy(seed):
    first, second, label = draw(seed)
    found = shared_errors(first, second)
    counts = [0, 0, 0, 0]
    for one, two in zip(first, second, strict=True):
        counts[2 * (not one) + (not two)] += 1
    assert tuple(found) == tuple(counts)
    assert found.phi == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert found.double_fault == pytest.approx((~first & ~second).mean())
    assert found.first_saves == pytest.approx(first[~second].mean())
    assert found.second_saves == pytest.approx(second[~first].mean())
    wanted = sum((label == y).mean() * (~first)[label == y].mean() * (~second)[label == y].mean() for y in range(3))
    assert expected_double_fault(first, second, label) == pytest.approx(wanted)
    turned = shared_errors(second, first)
    assert (turned.q, turned.phi, turned.first_saves) == (found.q, found.phi, found.second_saves)


def test_the_ends_of_both_correlations():
    assert SharedErrors(6, 0, 0, 2).q == SharedErrors(6, 0, 0, 2).phi == 1
    assert SharedErrors(0, 3, 3, 0).q == SharedErrors(0, 3, 3, 0).phi == -1
    assert SharedErrors(8, 4, 2, 1).q == SharedErrors(8, 4, 2, 1).phi == 0
    assert SharedErrors(1, 2, 3, 6).q == 0
    assert SharedErrors(5, 1, 0, 2).q == 1 > SharedErrors(5, 1, 0, 2).phi


def test_a_view_that_is_never_wrong():
    found = shared_errors(np.ones(4, bool), np.array([1, 0, 1, 1], bool))
    assert math.isnan(found.phi)
    assert math.isnan(found.q)
    assert math.isnan(found.second_saves)
    assert found.first_saves == 1
    assert found.double_fault == 0


def test_errors_that_a_hard_class_makes_common_are_expected():
    label = np.repeat([0, 1], 100)
    wrong = label == 1  # both views know class 0 alone
    found = shared_errors(~wrong, ~wrong)
    assert found.phi == 1
    assert expected_double_fault(~wrong, ~wrong, label) == found.double_fault == 0.5


def test_errors():
    with pytest.raises(ValueError, match="at least one image"):
        shared_errors(np.array([], bool), np.array([], bool))
    with pytest.raises(ValueError, match="shapes must be equal"):
        shared_errors(np.ones(2, bool), np.ones(3, bool))
    with pytest.raises(ValueError, match="shapes must be equal"):
        expected_double_fault(np.ones(2, bool), np.ones(2, bool), np.zeros(3))
