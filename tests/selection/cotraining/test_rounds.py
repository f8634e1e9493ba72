"""Rounds, and small experiments with a classifier in closed form: the nearest class mean, of two Gaussian views."""

import dataclasses

import numpy as np
import pytest
from scipy.special import softmax

from modelheir.checks import InputError, validate
from modelheir.selection.cotraining.exchange import Exchange, ExchangeRecord, Taught, exchange
from modelheir.selection.cotraining.rounds import (
    Rounds,
    class_frequencies,
    class_weights,
    first_round,
    next_round,
    round_limit,
)
from modelheir.selection.cotraining.settings import RULES, ExchangeConfig

C, D = 4, 20


def taught(*rows):
    return Taught(np.array(rows, int), np.zeros(len(rows), int), np.ones(len(rows)))


def outcome(*views):
    return Exchange(tuple(taught(*rows) for rows in views), ExchangeRecord(9, (), 0, 1.0))


def test_what_was_taught_leaves_the_pool_for_good():
    config = ExchangeConfig("top_k", rederive=False)
    state = next_round(first_round(6, 2), outcome([0, 3], [3, 5]), config)
    assert np.flatnonzero(state.pool).tolist() == [1, 2, 4]
    state = next_round(state, outcome([1], [2]), config)
    assert [one.rows.tolist() for one in state.taught] == [[0, 3, 1], [3, 5, 2]]
    assert (state.number, state.over) == (3, False)
    assert next_round(state, outcome([4], []), config).over  # the pool is empty
    assert next_round(state, outcome([], []), config).over  # nothing was handed over
    assert first_round(0, 2).over


def test_labels_are_given_anew_from_the_whole_pool():
    config = ExchangeConfig("top_k", share=0.4, rederive=True)
    state = first_round(6, 2)
    assert round_limit(config, state) == 2
    state = next_round(state, outcome([0, 3], [3, 5]), config)
    assert state.pool.all()
    assert round_limit(config, state) == 4
    state = next_round(state, outcome([1], [2]), config)
    assert [one.rows.tolist() for one in state.taught] == [[1], [2]]
    assert round_limit(config, state) == 6
    assert not state.over
    assert next_round(state, outcome([], []), config).over


def test_limits():
    state = first_round(57, 3)
    for share, expected in ((0.1, 5), (1.0, 57), (0.001, 1), (0.0, 0)):
        config = ExchangeConfig(share=share, rederive=False)
        assert round_limit(config, state) == expected
        later = dataclasses.replace(state, number=4)
        assert round_limit(config, later) == expected  # of the first pool, every round
        assert round_limit(ExchangeConfig(share=share), later) == min(4 * expected, 57)


def test_frequencies_and_weights():
    labels = np.array([0, 0, 0, 1, -1])
    found = class_frequencies(labels, 2)
    assert found.tolist() == [3, 1]
    np.testing.assert_allclose(class_weights(found), [-np.log(3 / 8), -np.log(1 / 8)])
    assert class_frequencies(np.array([], int), 3).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="frequency of class 1 must be > 0"):
        class_weights(np.array([3, 0]))


def test_errors():
    with pytest.raises(ValueError, match="views must be >= 2"):
        first_round(5, 1)
    with pytest.raises(ValueError, match="3 views were taught, but there are 2"):
        next_round(first_round(5, 2), outcome([0], [1], [2]), ExchangeConfig())
    with pytest.raises(InputError, match=r"exchange.share = 1.5: must be from 0 to 1"):
        validate(ExchangeConfig(share=1.5), "exchange")


# -- experiments


def gaussians(seed, pool=1500, test=1000, apart=3.0, views=2):
    """Views that are independent given the class, class means ``apart`` standard deviations from each other."""
    generator = np.random.default_rng(seed)
    means = [np.linalg.qr(generator.normal(size=(D, D)))[0][:C] * apart / np.sqrt(2) for _ in range(views)]
    label = np.concatenate([np.repeat(np.arange(C), 2), generator.integers(0, C, pool + test)])
    x = [mean[label] + generator.normal(size=(len(label), D)) for mean in means]
    return x, label, slice(0, 2 * C), slice(2 * C, 2 * C + pool), slice(2 * C + pool, None)


def nearest_mean(x, label, where):
    """Return probabilities of a Gaussian of unit variance around the mean of each class."""
    means = np.stack([x[label == c].mean(axis=0) for c in range(C)])
    return softmax(where @ means.T - 0.5 * (means**2).sum(axis=1), axis=1)


def cotrain(x, label, parts, config, rounds):
    """Train every view from scratch each round; return the accuracy of the product before and after, and the state."""
    own, pool, test = parts
    state, said = first_round(pool.stop - pool.start, len(x)), []
    while True:
        fits = []
        for view, more in zip(x, state.taught, strict=True):
            rows = np.concatenate([view[own], view[pool][more.rows]])
            fits.append((rows, np.concatenate([label[own], more.labels])))
        joint = np.prod([nearest_mean(*fit, view[test]) for fit, view in zip(fits, x, strict=True)], axis=0)
        said.append((joint.argmax(1) == label[test]).mean())
        if state.over or state.number > rounds:
            return said[0], said[-1], state
        p = [nearest_mean(*fit, view[pool]) for fit, view in zip(fits, x, strict=True)]
        limit, frequencies = round_limit(config, state), class_frequencies(label[own], C)
        state = next_round(state, exchange(p, state.pool, config, limit=limit, frequencies=frequencies), config)


@pytest.mark.parametrize("rederive", [False, True])
def test_two_independent_views_teach_each_other(rederive):
    config = ExchangeConfig("stratified", rederive=rederive)
    found = [cotrain(*gaussians(seed)[:2], gaussians(seed)[2:], config, 10)[:2] for seed in range(3)]
    before, after = np.mean(found, axis=0)
    assert before < 0.8
    assert after > 0.94  # the best that can be is about 0.955


def test_more_than_two_views():
    x, label, *parts = gaussians(5, views=3)
    before, after, state = cotrain(x, label, parts, ExchangeConfig("stratified"), 10)
    assert after > max(before + 0.05, 0.97)
    assert len(state.taught) == 3


def test_a_copy_and_a_shuffled_view_have_nothing_to_teach():
    """A view beside its copy trains itself; where the rows of one view are shuffled, the gain is gone."""
    x, label, *parts = gaussians(1)
    config = ExchangeConfig("stratified")
    before, gained, _ = cotrain(x, label, parts, config, 10)
    _, copied, state = cotrain([x[0], x[0]], label, parts, config, 10)
    assert state.taught[0].rows.tolist() == state.taught[1].rows.tolist()
    order = np.arange(len(label))
    order[parts[1]] = np.random.default_rng(0).permutation(order[parts[1]])
    _, shuffled, _ = cotrain([x[0], x[1][order]], label, parts, config, 10)
    assert gained > max(before, copied, shuffled) + 0.1


@pytest.mark.parametrize("rule", RULES.words)
@pytest.mark.parametrize("rederive", [False, True])
def test_the_rounds_end_where_a_class_runs_out(rule, rederive):
    """No image of two of the classes is in the pool (Q-19); each round hands something over, or is the last."""
    x, label, own, pool, test = gaussians(2, pool=200)
    rows = np.flatnonzero((label < 2) | (np.arange(len(label)) < own.stop) | (np.arange(len(label)) >= test.start))
    size = int((label[pool] < 2).sum())
    x, label = [view[rows] for view in x], label[rows]
    config = ExchangeConfig(rule, share=0.05, threshold=0.5, uncertainty=0.5, rederive=rederive)
    parts = (own, slice(own.stop, own.stop + size), slice(own.stop + size, None))
    *_, state = cotrain(x, label, parts, config, 25 if rederive else 400)
    if not rederive:
        assert state.over
        assert state.number < 400
        assert len(np.unique(state.taught[0].rows)) == len(state.taught[0].rows)


def test_state_is_not_edited_in_place():
    state = first_round(4, 2)
    assert isinstance(next_round(state, outcome([0], [1]), ExchangeConfig()), Rounds)
    assert state.pool.all()
    assert not len(state.taught[0].rows)
