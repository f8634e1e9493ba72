"""Planted groups are found, nothing is found where nothing is planted, and the order of rows changes nothing."""

import dataclasses
import hashlib

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from modelheir.analysis.slices import search
from modelheir.analysis.slices.halves import in_finding_half
from modelheir.analysis.slices.search import find_slices
from modelheir.checks import InputError
from modelheir.metrics.statistics.correction import benjamini_hochberg
from modelheir.types import Predictions

N, D, C = 1600, 12, 4


def world(seed, *, rate=0.05, base=0.05, n=N):
    """Return old, new, and the planted group: a ball in the features where the new model breaks by ``rate``."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, C, n)
    features = rng.normal(size=(n, D)).astype(np.float32)
    planted = rng.random(n) < 0.1
    features[planted] += 4 * rng.normal(size=D) / D**0.5
    flips = rng.random(n) < np.where(planted, rate, base)
    ids = np.array([f"{seed}-{k}" for k in range(n)])
    old = Predictions(ids, label, label, classes=("a", "b", "c", "d"))
    new = dataclasses.replace(old, prediction=np.where(flips, (label + 1) % C, label), features=features)
    return old, new, planted


def take(found, rows):
    changes = {name: getattr(found, name)[rows] for name in ("sample_id", "label", "prediction")}
    features = None if found.features is None else found.features[rows]
    return dataclasses.replace(found, **changes, features=features)


def test_a_planted_group_is_found_and_measured_on_the_other_half():
    old, new, planted = world(0, rate=0.5)
    found = find_slices(old, new)
    first = found.slices[0]
    inside = np.isin(new.sample_id, first.sample_id)
    assert (inside & planted).sum() > 0.8 * max(inside.sum(), planted.sum())
    assert first.n == inside.sum() == len(first.sample_id)
    testing = np.array([hashlib.sha256(one.encode()).digest()[0] % 2 == 0 for one in new.sample_id.tolist()])
    broken = new.prediction != old.prediction
    hits, total = int((inside & testing & broken).sum()), int((inside & testing).sum())
    others, rest = int((~inside & testing & broken).sum()), int((~inside & testing).sum())
    assert (found.n_finding, found.n_testing) == ((~testing).sum(), testing.sum())
    assert first.n_tested == total
    for rate, (count, of) in ((first.nfr, (hits, total)), (first.nfr_rest, (others, rest))):
        assert rate.value == count / of
        ends = binomtest(count, of).proportion_ci(0.95)
        assert rate.interval == pytest.approx((ends.low, ends.high))
    table = [[hits, total - hits], [others, rest - others]]
    assert first.p == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    assert first.p <= first.p_corrected <= min(1, first.p * found.tested)
    assert first.n_broken == (inside & broken).sum()
    assert set(m.sample_id for m in first.broken) == set(new.sample_id[inside & broken].tolist())
    centre = new.features[inside & ~testing].mean(axis=0)
    near = new.sample_id[inside][np.argsort(((new.features[inside] - centre) ** 2).sum(1))[:12]]
    assert [m.sample_id for m in first.nearest] == near.tolist()  # all axes are kept, so distances are
    one = first.broken[0]
    at = int(np.flatnonzero(new.sample_id == one.sample_id)[0])
    assert (one.label, one.old, one.new) == tuple("abcd"[k] for k in (new.label[at], new.label[at], new.prediction[at]))


def test_most_planted_groups_are_found_and_hardly_any_where_none_is():
    """Forty of each. Of nulls at most 5 % may have a group: more than 6 of 40 have a chance below 2 %."""
    found = {rate: [find_slices(*world(seed, rate=rate)[:2]) for seed in range(40)] for rate in (0.3, 0.05)}
    assert sum(bool(one.slices) for one in found[0.3]) >= 32
    assert sum(bool(one.slices) for one in found[0.05]) <= 6
    assert sum(one.tested for one in found[0.05]) >= 100  # it is the test that holds them back


def test_the_order_of_rows_changes_nothing():
    old, new, _ = world(1, rate=0.4)
    rng = np.random.default_rng(0)
    first = find_slices(old, new).to_json()
    turned = find_slices(take(old, rng.permutation(N)), take(new, rng.permutation(N))).to_json()
    beside = find_slices(
        take(old, rng.permutation(N)),
        dataclasses.replace(new, features=None),
        features=(np.append(new.sample_id, "else")[::-1], np.vstack([new.features, np.ones(D)])[::-1]),
    ).to_json()
    assert first["slices"]
    assert first == turned == beside


def test_a_group_of_one_class_is_called_so():
    rng = np.random.default_rng(3)
    old, new, _ = world(3)
    features = new.features + 6 * (np.arange(D) == 0) * (rng.random(N) < 0.4)[:, None]
    hit = (features[:, 0] > 3) & (new.label == 2)
    prediction = np.where(hit & (rng.random(N) < 0.5), 3, new.prediction)
    found = find_slices(old, dataclasses.replace(new, features=features, prediction=prediction))
    assert found.slices[0].true_class == "c"
    said = {(word.kind, word.value) for word in found.slices[0].words}
    assert {("true class", "c"), ("broken as", "c -> d")} <= said
    masks = [np.isin(new.sample_id, one.sample_id) for one in found.slices]
    half = in_finding_half(new.sample_id.tolist())
    for k, one in enumerate(masks):
        for other in masks[:k]:
            assert (one & other & half).sum() <= 0.5 * min((one & half).sum(), (other & half).sum())


def test_the_old_features_serve_where_the_new_file_has_none():
    old, new, _ = world(0, rate=0.5)
    bare = dataclasses.replace(new, features=None)
    assert find_slices(dataclasses.replace(old, features=new.features), bare) == find_slices(old, new)
    other = dataclasses.replace(old, features=np.random.default_rng(0).normal(size=(N, 3)))
    assert find_slices(other, new) == find_slices(old, new)  # those of the new model come first


def test_few_flips_give_no_group_and_no_error():
    old, new, _ = world(0, rate=0.0, base=0.0)
    found = find_slices(old, new)
    assert (found.slices, found.tested) == ((), 0)
    assert found.looked_at > 10


def test_the_level_is_what_is_missing_to_the_confidence():
    old, new, _ = world(5, rate=0.25)
    loose, strict = (find_slices(old, new, confidence=level) for level in (0.5, 0.999999))
    assert loose.level == 0.5
    assert len(loose.slices) > len(strict.slices)
    p = np.array([one.p for one in loose.slices])
    every = np.concatenate([p, np.ones(loose.tested - len(p))])
    assert (np.array([one.p_corrected for one in loose.slices]) <= benjamini_hochberg(every)[: len(p)] + 1e-12).all()


def test_what_the_correction_says_of_the_tested_groups_decides(monkeypatch):
    old, new, _ = world(0, rate=0.5)
    usual = find_slices(old, new)
    seen = []
    monkeypatch.setattr(search, "benjamini_hochberg", lambda p: seen.append(p) or np.ones(len(p)))
    assert find_slices(old, new).slices == ()
    assert len(seen[0]) == usual.tested
    corrected = benjamini_hochberg(np.sort(seen[0]))  # which has tests of its own
    assert [one.p_corrected for one in usual.slices] == pytest.approx(corrected[corrected <= 0.05].tolist())


def test_halves_are_a_bit_of_the_hash():
    ids = [f"image/{k}" for k in range(2000)]
    half = in_finding_half(ids)
    assert half.tolist() == [hashlib.sha256(one.encode()).digest()[0] % 2 == 1 for one in ids]
    assert 900 < half.sum() < 1100


def test_what_is_missing_is_said():
    old, new, _ = world(0)
    with pytest.raises(InputError, match=r"neither file has a column 'features'.*--features FILE"):
        find_slices(old, dataclasses.replace(new, features=None))
    few = np.arange(199)
    with pytest.raises(InputError, match=r"at least 200 labelled images.*there are 199"):
        find_slices(take(old, few), take(new, few))
    ids = new.sample_id[3:]
    with pytest.raises(InputError, match=r"lack 3 of 1,600 images \(0-0, 0-1, 0-2\)"):
        find_slices(old, new, features=(ids, new.features[3:]))
    with pytest.raises(InputError, match="lack 1,600 of 1,600"):
        find_slices(old, new, features=(ids[:0], new.features[:0]))
    spoiled = new.features.copy()
    spoiled[7, 2] = np.nan
    with pytest.raises(InputError, match="not finite numbers for some images, such as 0-7:"):
        find_slices(old, dataclasses.replace(new, features=spoiled))
    half = in_finding_half(new.sample_id.tolist())
    with pytest.raises(InputError, match="one half"):
        find_slices(take(old, half), take(new, half))
