import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modelheir.checks import InputError
from modelheir.report import gallery
from modelheir.types import Predictions


def make(ids, label, guess):
    return Predictions(sample_id=np.array(ids), label=np.array(label), prediction=np.array(guess))


def test_cards_name_kind_and_confidence(pair):
    found = gallery.flipped(*pair)
    assert [(card.sample_id, card.kind) for card in found.cards] == [
        ("a", "negative"), ("b", "positive"), ("c", "positive"), ("d", "neutral"),
    ]  # fmt: skip
    assert found.totals == {"negative": 1, "positive": 2, "neutral": 1}
    first = found.cards[0]
    assert (first.label, first.old, first.new) == (
        "<script>alert(1)</script>",
        "<script>alert(1)</script>",
        "</script>",
    )
    assert first.old_confidence == pytest.approx(0.8, rel=1e-6)
    assert not found.pictured


def test_rows_are_matched_by_id_and_not_by_place(pair):
    old, new = pair
    turned = make(new.sample_id[::-1], new.label[::-1], new.prediction[::-1])
    kinds = {card.sample_id: (card.kind, card.new) for card in gallery.flipped(old, turned).cards}
    straight = {card.sample_id: (card.kind, card.new) for card in gallery.flipped(old, new).cards}
    assert kinds == straight


def test_different_ids_are_refused(pair):
    old, _ = pair
    other = make(["a", "b", "c", "d", "e", "z"], old.label, old.prediction)
    with pytest.raises(InputError, match=r"the new file lacks 1 sample ids of the old file \(f\)"):
        gallery.flipped(old, other)


@settings(deadline=None, max_examples=25)
@given(
    rows=st.lists(st.tuples(*[st.integers(-1, 3)] + [st.integers(0, 3)] * 2), min_size=1, max_size=40),
    cap=st.integers(1, 30),
)
def test_counts_equal_a_plain_loop_and_the_cap_is_filled(rows, cap):
    label, was, now = zip(*rows, (0, 0, 0), strict=True)  # at least one image has a label
    ids = [f"i{k}" for k in range(len(label))]
    found = gallery.flipped(make(ids, label, was), make(ids, label, now), cap=cap)
    expected = {"negative": 0, "positive": 0, "neutral": 0}
    for true, old, new in rows:
        if true >= 0 and old != new:
            expected["negative" if old == true else "positive" if new == true else "neutral"] += 1
    assert found.totals == expected
    assert len(found.cards) == min(cap, sum(expected.values()))
    assert len({card.sample_id for card in found.cards}) == len(found.cards)


def test_a_capped_gallery_keeps_every_kind_and_every_class():
    label = np.repeat([0, 1, 2, 3], 30)
    was, now = label.copy(), (label + 1) % 4  # 120 new mistakes
    was[::10], now[::10] = (label[::10] + 1) % 4, label[::10]  # of which 12 become mended ones
    ids = [f"i{k}" for k in range(120)]
    found = gallery.flipped(make(ids, label, was), make(ids, label, now), cap=20)
    assert (found.shown("negative"), found.shown("positive")) == (14, 6)
    assert [name for name, _ in found.classes] == ["0", "1", "2", "3"]
    assert {number for _, number in found.classes} <= {4, 5, 6}


def test_the_surest_new_answer_comes_first():
    old = make(["a", "b"], [0, 0], [0, 0])
    sure = np.array([[0.4, 0.6, 0.0], [0.1, 0.9, 0.0]])
    new = Predictions(np.array(["a", "b"]), np.array([0, 0]), np.array([1, 1]), probabilities=sure)
    cards = gallery.flipped(old, new).cards
    assert [(card.sample_id, card.new_confidence) for card in cards] == [("b", 0.9), ("a", 0.6)]
    assert cards[0].old_confidence is None


def test_huge_logits_give_no_overflow(pair):
    old, new = pair
    big = Predictions(old.sample_id, old.label, old.prediction, logits=old.logits * np.float32(1e4))
    assert all(card.old_confidence == 1.0 for card in gallery.flipped(big, new).cards)


def test_class_lists_in_another_order_are_matched_by_name():
    old = Predictions(np.array(["a", "b"]), np.array([0, 1]), np.array([0, 0]), classes=("cat", "dog"))
    scores = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]])
    new = Predictions(
        np.array(["a", "b"]), np.array([1, 0]), np.array([0, 0]), probabilities=scores, classes=("dog", "cat", "cow")
    )
    found = [
        (card.kind, card.label, card.old, card.new, card.new_confidence) for card in gallery.flipped(old, new).cards
    ]
    assert found == [("negative", "cat", "cat", "dog", 0.7), ("positive", "dog", "cat", "dog", 0.6)]


def test_missing_pictures_leave_an_empty_address(pair, images):
    found = gallery.flipped(*pair, images=images)
    assert {card.sample_id for card in found.cards if card.address.startswith("data:image/png;base64,")} == {
        "a",
        "b",
        "d",
    }
    assert found.pictured
    assert found.cards[0].small


def picture(size, kind, mode="RGB"):
    store = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(store, kind)
    return store.getvalue()


def test_large_and_unusual_pictures_are_made_small_and_readable():
    for content in (picture((900, 600), "PNG"), picture((20, 20), "BMP"), picture((300, 10), "PNG", "RGBA")):
        address, _ = gallery.data_address(content)
        head, _, body = address.partition(",")
        assert head in ("data:image/jpeg;base64", "data:image/png;base64")
        assert len(body) < 40_000
        with Image.open(io.BytesIO(base64.b64decode(body))) as back:
            assert max(back.size) <= 300


@pytest.mark.parametrize("content", [b"", b"no picture", b"<svg onload='alert(1)'/>", picture((90, 90), "PNG")[:50]])
def test_what_is_no_picture_gets_no_address(content):
    assert gallery.data_address(content)[0] == ""
