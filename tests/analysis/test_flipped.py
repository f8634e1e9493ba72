import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.analysis.flipped import flipped
from modelheir.checks import InputError
from modelheir.types import Predictions


def make(ids, label, guess):
    return Predictions(sample_id=np.array(ids), label=np.array(label), prediction=np.array(guess))


CLASSES = ("cat", "dog", "emu")


@pytest.fixture
def pair():
    """Return old and new: one new mistake, two mended, one changed mistake, one right in both, one wrong alike."""
    label, guesses = [0, 1, 2, 0, 1, 2], ([0, 0, 1, 1, 1, 0], [1, 1, 2, 2, 1, 0])
    logits = [np.log(np.where(np.arange(3) == np.array(guess)[:, None], 8.0, 1.0)) for guess in guesses]
    ids = np.array(list("abcdef"))
    return [
        Predictions(ids, np.array(label), np.array(guess), of.astype(np.float32), classes=CLASSES)
        for guess, of in zip(guesses, logits, strict=True)
    ]


def test_flips_name_kind_and_confidence(pair):
    found = flipped(*pair)
    assert [(flip.sample_id, flip.kind) for flip in found.flips] == [
        ("a", "negative"), ("b", "positive"), ("c", "positive"), ("d", "neutral"),
    ]  # fmt: skip
    assert found.totals == {"negative": 1, "positive": 2, "neutral": 1}
    first = found.flips[0]
    assert (first.label, first.old, first.new) == ("cat", "cat", "dog")
    assert first.old_confidence == pytest.approx(0.8, rel=1e-6)


def test_rows_are_matched_by_id_and_not_by_place(pair):
    old, new = pair
    turned = make(new.sample_id[::-1], new.label[::-1], new.prediction[::-1])
    kinds = {flip.sample_id: (flip.kind, flip.new) for flip in flipped(old, turned).flips}
    straight = {flip.sample_id: (flip.kind, flip.new) for flip in flipped(old, new).flips}
    assert kinds == straight


def test_different_ids_are_refused(pair):
    old, _ = pair
    other = make(["a", "b", "c", "d", "e", "z"], old.label, old.prediction)
    with pytest.raises(InputError, match=r"the new file lacks 1 sample ids of the old file \(f\)"):
        flipped(old, other)


@settings(deadline=None, max_examples=25)
@given(
    rows=st.lists(st.tuples(*[st.integers(-1, 3)] + [st.integers(0, 3)] * 2), min_size=1, max_size=40),
    cap=st.integers(1, 30),
)
def test_counts_equal_a_plain_loop_and_the_cap_is_filled(rows, cap):
    label, was, now = zip(*rows, (0, 0, 0), strict=True)  # at least one image has a label
    ids = [f"i{k}" for k in range(len(label))]
    found = flipped(make(ids, label, was), make(ids, label, now), cap=cap)
    expected = {"negative": 0, "positive": 0, "neutral": 0}
    for true, old, new in rows:
        if true >= 0 and old != new:
            expected["negative" if old == true else "positive" if new == true else "neutral"] += 1
    assert found.totals == expected
    assert len(found.flips) == min(cap, sum(expected.values()))
    assert len({flip.sample_id for flip in found.flips}) == len(found.flips)


def test_a_capped_gallery_keeps_every_kind_and_every_class():
    label = np.repeat([0, 1, 2, 3], 30)
    was, now = label.copy(), (label + 1) % 4  # 120 new mistakes
    was[::10], now[::10] = (label[::10] + 1) % 4, label[::10]  # of which 12 become mended ones
    ids = [f"i{k}" for k in range(120)]
    found = flipped(make(ids, label, was), make(ids, label, now), cap=20)
    assert (found.shown["negative"], found.shown["positive"]) == (14, 6)
    assert [name for name, _ in found.classes] == ["0", "1", "2", "3"]
    assert {number for _, number in found.classes} <= {4, 5, 6}


def test_the_surest_new_answer_comes_first():
    old = make(["a", "b"], [0, 0], [0, 0])
    sure = np.array([[0.4, 0.6, 0.0], [0.1, 0.9, 0.0]])
    new = Predictions(np.array(["a", "b"]), np.array([0, 0]), np.array([1, 1]), probabilities=sure)
    flips = flipped(old, new).flips
    assert [(flip.sample_id, flip.new_confidence) for flip in flips] == [("b", 0.9), ("a", 0.6)]
    assert flips[0].old_confidence is None


def test_huge_logits_give_no_overflow(pair):
    old, new = pair
    big = Predictions(old.sample_id, old.label, old.prediction, logits=old.logits * np.float32(1e4))
    assert all(flip.old_confidence == 1.0 for flip in flipped(big, new).flips)


def test_class_lists_in_another_order_are_matched_by_name():
    old = Predictions(np.array(["a", "b"]), np.array([0, 1]), np.array([0, 0]), classes=("cat", "dog"))
    scores = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]])
    new = Predictions(
        np.array(["a", "b"]), np.array([1, 0]), np.array([0, 0]), probabilities=scores, classes=("dog", "cat", "cow")
    )
    found = [(flip.kind, flip.label, flip.old, flip.new, flip.new_confidence) for flip in flipped(old, new).flips]
    assert found == [("negative", "cat", "cat", "dog", 0.7), ("positive", "dog", "cat", "dog", 0.6)]


def test_models_that_agree_show_nothing(pair):
    old, _ = pair
    found = flipped(old, old)
    assert (found.flips, found.total) == ((), 0)


def test_a_page_shows_two_hundred_images_and_at_least_one():
    label = np.arange(300) % 25
    ids = [f"i{k}" for k in range(300)]
    found = flipped(make(ids, label, label), make(ids, label, (label + 1) % 25))
    assert found.total == 300
    assert found.classes == [(str(name), 8) for name in sorted(map(str, range(25)))]
    assert len(flipped(make(ids, label, label), make(ids, label, label + 1), cap=1).flips) == 1
    with pytest.raises(ValueError, match="cap must be >= 1, got 0"):
        flipped(make(ids, label, label), make(ids, label, label), cap=0)
