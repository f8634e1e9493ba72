import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from modelheir.checks import InputError
from modelheir.selection import matching
from modelheir.selection.matching import matched_chain, nearest_matches, optimal_matches


def draw(seed, later, earlier, classes=3, shape=(2, 2)):
    """Every class is on both sides, as uint8 images."""
    generator = np.random.default_rng(seed)
    sides = []
    for n in (later, earlier):
        label = np.concatenate([np.arange(classes), generator.integers(0, classes, max(n - classes, 0))])
        generator.shuffle(label)
        sides += [generator.integers(0, 256, (len(label), *shape), dtype=np.uint8), label]
    return sides


def distance(a, b):
    return np.linalg.norm(a.astype(float).ravel() - b.astype(float).ravel())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.integers(3, 8), st.integers(3, 9), st.sampled_from([1, 2**22]))
def test_nearest_against_brute_force(seed, m, n, cells):
    later, label, earlier, past = draw(seed, m, n)
    wanted = []
    for image, one in zip(later, label, strict=True):
        same = [row for row in range(len(past)) if past[row] == one]
        wanted.append(min(same, key=lambda row: (distance(image, earlier[row]), row)))
    kept, matching._CELLS = matching._CELLS, cells
    try:
        assert nearest_matches(later, label, earlier, past).tolist() == wanted
    finally:
        matching._CELLS = kept


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.integers(3, 9), st.integers(3, 9))
def test_optimal_keeps_labels_and_shares_and_costs_what_scipy_says(seed, m, n):
    later, label, earlier, past = draw(seed, m, n)
    rows = optimal_matches(later, label, earlier, past)
    assert (past[rows] == label).all()
    for one in range(3):
        mine, theirs = np.flatnonzero(label == one), np.flatnonzero(past == one)
        most = -(-6 * len(mine) // (5 * len(theirs)))
        assert np.bincount(rows[mine], minlength=len(past)).max() <= most
        cost = np.array([[distance(later[i], earlier[j]) for j in theirs for _ in range(most)] for i in mine])
        best = cost[linear_sum_assignment(cost)].sum()
        spent = sum(distance(later[i], earlier[rows[i]]) for i in mine)
        assert spent == pytest.approx(best)
        free, greedy = dict.fromkeys(theirs, most), 0.0  # each takes the nearest that still has a place
        for i in mine:
            j = min((j for j in theirs if free[j]), key=lambda j: distance(later[i], earlier[j]))
            free[j] -= 1
            greedy += distance(later[i], earlier[j])
        assert spent <= greedy + 1e-9


def test_optimal_is_the_best_of_all_small_assignments():
    later, earlier = np.array([[0.0], [1.0], [1.2]]), np.array([[1.1], [0.9], [5.0]])
    zeros = np.zeros(3, int)
    rows = optimal_matches(later, zeros, earlier, zeros)  # each may be taken twice
    allowed = [way for way in itertools.product(range(3), repeat=3) if max(np.bincount(way)) <= 2]
    cost = [np.abs(later[:, 0] - earlier[list(way), 0]).sum() for way in allowed]
    assert np.abs(later - earlier[rows]).sum() == pytest.approx(min(cost))


@pytest.mark.parametrize("how", ["nearest", "optimal"])
def test_a_chain_goes_through_the_matches_of_the_step_after(how):
    match = nearest_matches if how == "nearest" else optimal_matches
    (third, c, second, b), (_, _, first, a) = draw(3, 5, 8), draw(4, 5, 7)
    chain = matched_chain([(first, a), (second, b), (third, c)], how=how)
    middle = match(third, c, second, b)
    assert chain[2].tolist() == [0, 1, 2, 3, 4]
    assert chain[1].tolist() == middle.tolist()
    assert chain[0].tolist() == match(second[middle], b[middle], first, a).tolist()
    assert (a[chain[0]] == c).all()


def test_one_step_and_one_image():
    assert [rows.tolist() for rows in matched_chain([(np.ones((2, 1)), np.zeros(2))])] == [[0, 1]]
    one = np.ones((1, 3)), np.array([4])
    assert optimal_matches(*one, *one).tolist() == [0]


def test_says_what_is_wrong():
    later, label = np.ones((2, 1)), np.array([0, 7])
    with pytest.raises(InputError, match="no image of class 7, so the later one's 1 cannot be matched"):
        matched_chain([(np.ones((1, 1)), np.array([0])), (later, label)])
    with pytest.raises(ValueError, match="one shape"):
        nearest_matches(later, label, np.ones((2, 2)), label)
    with pytest.raises(ValueError, match="lengths must be equal"):
        nearest_matches(later, label[:1], later, label)
    with pytest.raises(ValueError, match="steps must be >= 1"):
        matched_chain([])
    with pytest.raises(InputError, match=r"unknown loss_samples 'optimum'\. Did you mean 'optimal'"):
        matched_chain([(later, label)], how="optimum")
