"""Remembered images on a new model, against loops over dictionaries and SciPy's exact intervals."""

import datetime
import random

import numpy as np
import pytest
from scipy.stats import binomtest

from modelheir.analysis.compare import compare
from modelheir.analysis.replay import broken, replayed
from modelheir.runs.by_id.remembered import Remembered

DAY = datetime.date(2026, 11, 29)


def known(*rows):
    """Make a list from rows of id, release and file."""
    names, releases, files = zip(*rows, strict=True) if rows else ((), (), ())
    n = len(rows)
    return Remembered(names, releases, files, ("cat",) * n, (None,) * n, (DAY,) * n, "flips.parquet")


def interval(count, total, confidence=0.95):
    found = binomtest(count, total).proportion_ci(confidence, "exact")
    return pytest.approx((found.low, found.high))


@pytest.mark.parametrize("seed", range(5))
def test_counts_of_every_release_and_of_all(seed):
    draw = random.Random(seed)
    rows = [(f"i{draw.randrange(40)}", draw.choice(["v1", "v2", "v3"]), draw.choice(["", "x.csv"])) for _ in range(60)]
    data = {f"i{k}": draw.random() < 0.4 for k in draw.sample(range(40), 30)}
    found = replayed(
        known(*rows), np.array(list(data)), np.array(list(data.values())), release=("v3", "x.csv"), confidence=0.9
    )
    other = [row for row in rows if row[1:] != ("v3", "x.csv")]
    assert len(other) < len(rows)
    assert [(one.release, one.file) for one in found.releases] == list(dict.fromkeys(row[1:] for row in other))
    groups = [({row[0] for row in other if row[1:] == (one.release, one.file)}, one) for one in found.releases]
    for ids, one in [({row[0] for row in other}, found), *groups]:
        here = ids & set(data)
        again = sum(data[name] for name in here)
        assert (one.n, one.wrong, one.gone) == (len(here), again, len(ids - set(data)))
        assert one.share.value == pytest.approx(again / len(here))
        assert one.share.interval == interval(again, len(here), 0.9)
    ids = {row[0] for row in other}
    assert set(found.wrong_ids) == {name for name in ids & set(data) if data[name]}
    assert set(found.gone_ids) == ids - set(data)
    assert (len(found.wrong_ids), len(found.gone_ids)) == (found.wrong, found.gone)
    assert found.own == len({row[0] for row in rows if row[1:] == ("v3", "x.csv")})
    assert found.path == "flips.parquet"


def test_an_image_that_two_releases_broke_counts_once():
    found = replayed(
        known(("a", "v1", ""), ("a", "v2", ""), ("b", "v2", "")), np.array(["b", "a"]), np.array([0, 1]) > 0
    )
    assert (found.n, found.wrong, found.share.value) == (2, 1, 0.5)
    assert [(one.release, one.n, one.wrong) for one in found.releases] == [("v1", 1, 1), ("v2", 2, 1)]


def test_nothing_remembered_and_nothing_left():
    ids, wrong = np.array(["a"]), np.array([True])
    empty = replayed(known(), ids, wrong)
    assert (empty.n, empty.gone, empty.own, empty.share.value, empty.releases) == (0, 0, 0, None, ())
    gone = replayed(known(("x", "v1", "")), ids, wrong)
    assert (gone.n, gone.gone_ids, gone.share.value, gone.releases[0].share.value) == (0, ("x",), None, None)
    assert gone.to_json()["share"] is None
    own = replayed(known(("a", "v1", "f")), ids, wrong, release=("v1", "f"))
    assert (own.n, own.own, own.releases) == (0, 1, ())
    other = replayed(known(("a", "v1", "f")), ids, wrong, release=("v1", "g"))
    assert (other.n, other.own) == (1, 0)


def test_the_json_has_numbers_and_ids():
    found = replayed(known(("a", "v1", "f"), ("x", "v1", "f")), np.array(["a", "b"]), np.array([True, False])).to_json()
    row = {"n": 1, "wrong": 1, "share": 1.0, "share_interval": [pytest.approx(0.025), 1.0], "gone": 1}
    assert found == {
        **row,
        **{"path": "flips.parquet", "own": 0, "wrong_ids": ["a"], "gone_ids": ["x"]},
        "releases": [{"release": "v1", "file": "f", **row}],
    }


@pytest.mark.parametrize("scores", ["logits", "probabilities", None])
def test_what_a_release_broke(make, scores):
    """Held against a loop over images; the confidence is the softmax at the wrong answer."""
    names = ("ant", "bee", "cat", "dog", "emu")
    old = make(1, order=5, scores=scores, classes=names)
    new = make(2, strength=1.0, order=6, scores=scores, classes=names)
    logits = make(2, strength=1.0, order=6).logits
    said = {
        name: (answer, row) for name, answer, row in zip(new.sample_id.tolist(), new.prediction, logits, strict=True)
    }
    want = []
    for name, label, before in zip(old.sample_id.tolist(), old.label, old.prediction, strict=True):
        answer, row = said[name]
        if before == label != answer:
            sure = float(np.exp(row[answer]) / np.exp(row).sum()) if scores else None
            want.append((name, names[label], sure))
    found = broken(old, new, release=("v2", "v2.csv"), date=DAY)
    assert len(want) > 5
    assert list(zip(found.sample_id, found.label, strict=True)) == [row[:2] for row in want]
    assert list(found.confidence) == (
        pytest.approx([row[2] for row in want], rel=1e-5) if scores else [None] * len(want)
    )
    assert {*found.release, *found.file, *found.date} == {"v2", "v2.csv", DAY}
    assert len(broken(old, old, release=("v2", "v2.csv"), date=DAY)) == 0


def test_a_comparison_replays_what_it_is_given(make):
    """The images that one release broke, on the next: the new model's answers decide, not the old one's."""
    first, second, third = make(1, order=1), make(2, strength=1.0), make(3, strength=1.5, order=2)
    rows = broken(first, second, release=("v2", "v2.csv"), date=DAY)
    right = dict(zip(third.sample_id.tolist(), (third.prediction == third.label).tolist(), strict=True))
    found = compare(second, third, remembered=rows, confidence=0.8).replay
    assert found.wrong_ids == tuple(name for name in rows.sample_id if not right[name])
    assert found.share.interval == interval(found.wrong, found.n, 0.8)
    assert compare(second, third).replay is None
    assert "replay" not in compare(second, third).to_json()
    assert compare(second, third, remembered=rows, release=("v2", "v2.csv")).replay.own == len(rows)
    unlabelled = third.label.copy()
    unlabelled[third.sample_id == found.wrong_ids[0]] = -1
    less = [type(one)(one.sample_id, values, one.prediction) for one, values in (
        (second, np.array([dict(zip(third.sample_id, unlabelled, strict=True))[name] for name in second.sample_id])),
        (third, unlabelled))]  # fmt: skip
    assert compare(*less, remembered=rows).replay.gone_ids == found.wrong_ids[:1]
