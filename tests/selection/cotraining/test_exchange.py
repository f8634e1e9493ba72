import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.config.describe import settings as described
from modelheir.selection.cotraining.choose import largest_remainder
from modelheir.selection.cotraining.exchange import Taught, exchange, without_conflicts
from modelheir.selection.cotraining.settings import RULES, ExchangeConfig

C = 3


def draw(seed, views=2, rows=30, sharp=3.0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(rows, C)) + sharp * generator.normal(size=(views, rows, C)) / 2
    p = np.exp(sharp * logits)
    return list(p / p.sum(axis=2, keepdims=True)), generator.random(rows) < 0.8


def config(rule, **settings):
    return ExchangeConfig(rule, threshold=0.6, uncertainty=0.6, **settings)


def naive_two_views(p, pool, k):
    """The first published version, with its conflict rule done right: sets and loops."""
    chosen = [sorted((row for row in range(len(pool)) if pool[row]), key=lambda r: (-v[r].max(), r))[:k] for v in p]
    label = [view.argmax(1) for view in p]
    clash = {row for row in set(chosen[0]) & set(chosen[1]) if label[0][row] != label[1][row]}
    lists = [[row for row in one if row not in clash] for one in chosen]
    return [(lists[1], label[1][lists[1]].tolist()), (lists[0], label[0][lists[0]].tolist())], len(clash)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), st.integers(0, 30))
def test_two_views_against_a_loop(seed, k):
    p, pool = draw(seed)
    found = exchange(p, pool, config("top_k"), limit=k)
    expected, conflicts = naive_two_views(p, pool, k)
    assert [(one.rows.tolist(), one.labels.tolist()) for one in found.taught] == expected
    assert found.record.conflicts == conflicts
    assert found.record.pool == pool.sum()
    assert found.record.chosen == tuple(
        tuple(np.bincount(labels, minlength=C).tolist() if labels else [0] * C) for _, labels in expected
    )
    same = (p[0].argmax(1) == p[1].argmax(1))[pool]
    assert found.record.agreement == pytest.approx(same.mean())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 999), st.integers(2, 4), st.sampled_from(RULES.words), st.integers(0, 20))
def test_what_holds_whatever_the_rule(seed, views, rule, limit):
    p, pool = draw(seed, views)
    frequencies = np.array([3, 2, 1])
    found = exchange(p, pool, config(rule), limit=limit, frequencies=frequencies)
    label_of = {}
    for view, one in enumerate(found.taught):
        others = np.prod([p[other] for other in range(views) if other != view], axis=0)
        assert one.labels.tolist() == others[one.rows].argmax(1).tolist()  # the others' word, never its own
        assert pool[one.rows].all()
        assert len(set(one.rows.tolist())) == len(one.rows) <= limit
        assert (np.diff(one.confidence) <= 1e-12).all()
        for row, label in zip(one.rows.tolist(), one.labels.tolist(), strict=True):
            assert label_of.setdefault(row, label) == label  # no conflict in any list
        if rule in ("stratified", "certain"):
            assert (np.bincount(one.labels, minlength=C) <= largest_remainder(frequencies, limit)).all()
        if rule == "threshold":
            assert (one.confidence >= 0.6).all()


@pytest.mark.parametrize("rule", RULES.words)
def test_the_order_of_rows_changes_nothing(rule):
    p, pool = draw(7, views=3)
    order = np.random.default_rng(1).permutation(len(pool))
    here = exchange(p, pool, config(rule), limit=9, frequencies=np.ones(C))
    there = exchange([view[order] for view in p], pool[order], config(rule), limit=9, frequencies=np.ones(C))
    for one, two in zip(here.taught, there.taught, strict=True):
        assert one.rows.tolist() == order[two.rows].tolist()
        assert one.labels.tolist() == two.labels.tolist()
    assert here.record == dataclasses.replace(there.record, agreement=here.record.agreement)


@pytest.mark.parametrize("rule", RULES.words)
@pytest.mark.parametrize("views", [2, 3])
def test_views_that_are_all_alike_teach_themselves(rule, views):
    (p, *_), pool = draw(3)
    found = exchange([p] * views, pool, config(rule), limit=9, frequencies=np.ones(C))
    own = exchange([p, p], pool, config(rule), limit=9, frequencies=np.ones(C)).taught[0]
    assert len(own.rows)
    assert own.labels.tolist() == p.argmax(1)[own.rows].tolist()
    assert found.record.conflicts == 0
    assert found.record.agreement == 1
    for one in found.taught:
        assert one.rows.tolist() == own.rows.tolist()
        assert one.labels.tolist() == own.labels.tolist()


def test_only_the_rows_of_a_conflict_leave_wherever_they_stand():
    """The published code takes the places of one list out of both, and loses others (Q-19)."""
    one = Taught(np.array([4, 8, 1, 6]), np.array([0, 1, 2, 1]), np.array([0.9, 0.8, 0.7, 0.6]))
    two = Taught(np.array([3, 6, 8, 4]), np.array([2, 0, 1, 1]), np.array([0.9, 0.8, 0.7, 0.6]))
    (first, second), gone = without_conflicts([one, two])
    assert gone.tolist() == [4, 6]  # 8 is agreed on and stays in both
    assert (first.rows.tolist(), first.labels.tolist(), first.confidence.tolist()) == ([8, 1], [1, 2], [0.8, 0.7])
    assert (second.rows.tolist(), second.labels.tolist(), second.confidence.tolist()) == ([3, 8], [2, 1], [0.9, 0.7])
    lists, gone = without_conflicts([one, two, Taught(np.array([1]), np.array([2]), np.ones(1))])
    assert gone.tolist() == [4, 6]
    assert [one.rows.tolist() for one in lists] == [[8, 1], [3, 8], [1]]


def test_each_setting_reaches_what_it_sets():
    p, pool = draw(11, rows=200)
    pool[:] = True
    even = np.ones(C)

    def count(settings, limit=200, frequencies=even):
        return sum(len(one.rows) for one in exchange(p, pool, settings, limit=limit, frequencies=frequencies).taught)

    assert len({count(ExchangeConfig(rule, threshold=0.8, uncertainty=0.3)) for rule in RULES.words}) == 4
    assert count(ExchangeConfig("threshold", threshold=0.9)) < count(ExchangeConfig("threshold", threshold=0.7))
    assert count(ExchangeConfig("certain", uncertainty=0.1)) < count(ExchangeConfig("certain", uncertainty=0.5))
    assert count(config("top_k"), limit=3) <= 6 < count(config("top_k"), limit=9)
    skewed = exchange(p, pool, config("stratified"), limit=40, frequencies=np.array([1, 0, 3]))
    assert all(chosen[1] == 0 < chosen[0] < chosen[2] for chosen in skewed.record.chosen)
    nothing = exchange(p, pool, config("threshold"), limit=0)
    assert nothing.empty
    assert not exchange(p, pool, config("top_k"), limit=1).empty


def test_ties_follow_the_numbers_given():
    same = np.tile([[0.8, 0.1, 0.1]], (4, 1))
    pool = np.ones(4, bool)
    assert exchange([same, same], pool, config("top_k"), limit=2).taught[0].rows.tolist() == [0, 1]
    found = exchange([same, same], pool, config("top_k"), limit=2, tie=np.array([7, 5, 1, 3]))
    assert found.taught[1].rows.tolist() == [2, 3]


def test_errors():
    p, pool = draw(0)
    with pytest.raises(InputError, match="Did you mean 'threshold'"):
        exchange(p, pool, ExchangeConfig("thresholds"), limit=3, frequencies=np.ones(C))
    with pytest.raises(ValueError, match="views must be >= 2"):
        exchange(p[:1], pool, config("top_k"), limit=3)
    with pytest.raises(ValueError, match=r"pool must be bool of shape \(30,\), got int64"):
        exchange(p, np.flatnonzero(pool), config("top_k"), limit=3)
    for rule in ("stratified", "certain"):
        with pytest.raises(ValueError, match=f"rule {rule} needs the frequencies of the 3 classes"):
            exchange(p, pool, config(rule), limit=3)
    with pytest.raises(ValueError, match="shapes must be equal"):
        exchange(p, pool, config("top_k"), limit=3, tie=np.arange(5))
    with pytest.raises(ValueError, match="logits need a softmax"):
        exchange([p[0], np.log(p[1])], pool, config("top_k"), limit=3)


def test_every_setting_says_what_it_is():
    assert all(one.about for one in described(ExchangeConfig, "exchange"))
