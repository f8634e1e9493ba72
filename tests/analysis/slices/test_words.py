import numpy as np
import pytest

from modelheir.analysis.pairing import pair_up
from modelheir.analysis.slices.words import properties, words
from modelheir.types import Predictions


@pytest.fixture
def pair():
    """Twelve images of three classes; the new model calls two cats dogs."""
    label = np.array([0] * 4 + [1] * 4 + [2] * 4)
    new = label.copy()
    new[:2] = 1
    ids = np.array(list("abcdefghijkl"))
    site = np.array(["north", "south"] * 6, object)
    site[5] = None
    old = Predictions(ids, label, label, classes=("cat", "dog", "emu"), columns={"site": site, "path": ids})
    return pair_up(old, Predictions(ids, label, new, classes=("cat", "dog", "emu")))


def found(pair, inside, columns=("site",), order=None):
    order = np.arange(12) if order is None else order
    flipped = (pair.old.prediction == pair.label) & (pair.new.prediction != pair.label)
    return words(properties(pair, order, flipped[order], columns), np.asarray(inside, bool)[order])


def test_shares_and_lifts_by_hand(pair):
    """Group: three cats (two of them called dogs) and a dog, all but one from the north."""
    inside = np.zeros(12, bool)
    inside[[0, 1, 2, 4]] = True
    got = {(one.kind, one.value): (one.share, one.overall, one.lift) for one in found(pair, inside)}
    assert got["true class", "cat"] == pytest.approx((3 / 4, 4 / 12, 2.25))
    assert got["new prediction", "dog"] == pytest.approx((3 / 4, 6 / 12, 1.5))
    assert ("broken as", "cat -> dog") not in got  # all that is broken is of that kind, here and elsewhere
    assert got["site", "north"] == pytest.approx((3 / 4, 6 / 12, 1.5))
    assert ("true class", "dog") not in got  # 1/4 against 1/3
    gaps = [one.share - one.overall for one in found(pair, inside)]
    assert gaps == sorted(gaps, reverse=True)


def test_the_order_of_rows_changes_nothing(pair):
    inside = np.arange(12) < 3
    turned = np.random.default_rng(0).permutation(12)
    assert found(pair, inside, order=turned) == found(pair, inside)


def test_empty_cells_unknown_columns_and_columns_of_names(pair):
    inside = np.zeros(12, bool)
    inside[[5, 6]] = True
    values = {(one.kind, one.value) for one in found(pair, inside, ("site", "nowhere"))}
    assert ("site", "(empty)") in values
    assert not {kind for kind, _ in values} & {"nowhere", "broken as"}
    assert len(found(pair, np.arange(12) < 6, ("site", "path"))) <= 5
