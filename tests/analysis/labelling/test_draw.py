import dataclasses
import hashlib

import numpy as np
import pytest
from scipy.stats import kstest

from modelheir.analysis.labelling.draw import make_draw, worth_labelling
from modelheir.checks import InputError
from modelheir.types import Predictions

COUNTS = (60, 10, 15, 5, 10)  # 35 disagreements of 100


def asked(found):
    return [question.sample_id for question in found.asked]


def test_all_disagreements_and_nothing_else_are_worth_a_label(world):
    old, new, _ = world(COUNTS)
    said = dict(zip(new.sample_id.tolist(), new.prediction.tolist(), strict=True))
    differ = {i for i, p in zip(old.sample_id.tolist(), old.prediction.tolist(), strict=True) if p != said[i]}
    found = worth_labelling(old, new, budget=1000)
    assert set(asked(found)) == differ
    assert (found.n, found.n_disagreeing, found.n_labelled, len(found.asked)) == (100, 35, 0, 35)


def test_a_draw_is_by_the_hash_of_the_ids_and_a_longer_one_continues_it(world):
    old, new, _ = world(COUNTS)
    every = asked(worth_labelling(old, new, budget=35))
    by_hand = sorted(every, key=lambda one: hashlib.blake2b(one.encode(), digest_size=7).digest())
    assert every == by_hand
    assert every != sorted(every)
    for budget in (1, 7, 34):
        assert asked(worth_labelling(old, new, budget=budget)) == every[:budget]
    rows = np.random.default_rng(3).permutation(100)
    turned = dataclasses.replace(
        old, sample_id=old.sample_id[rows], label=old.label[rows], prediction=old.prediction[rows]
    )
    assert asked(worth_labelling(turned, new, budget=7)) == every[:7]


def test_the_draw_has_nothing_to_do_with_numbered_ids():
    """Places of every seventh of 7,000 numbered ids are uniform among all (Kolmogorov and Smirnov)."""
    ids, none = np.array([f"val_{i:08d}" for i in range(7000)]), np.full(7000, -1)
    differ = (np.arange(7000) % 7 == 0).astype(np.int64)
    draw = make_draw(Predictions(ids, none, none * 0), Predictions(ids, none, differ), None, names=("a", "b"))
    assert len(draw.place) == 1000
    assert kstest(draw.place / 7000, "uniform").pvalue > 0.001
    assert kstest(np.argsort(draw.rows) / 1000, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(draw.rows, np.arange(1000))[0, 1]) < 0.1


def test_a_question_says_what_both_models_say(world):
    old, new, _ = world((3, 1, 0, 0, 0), classes=("cat", "dog", "emu"))
    (question,) = worth_labelling(old, new, budget=1).asked
    assert (question.old, question.new) == ("cat", "dog")
    assert question.why == "the models disagree; draw 1 of 1"
    assert question["sample_id"] in old.sample_id


def test_what_has_a_label_is_not_asked_for_again(world):
    old, new, _ = world(COUNTS)
    every = asked(worth_labelling(old, new, budget=35))
    old, new, (ids, label) = world(COUNTS, labelled=every[1:3])
    found = worth_labelling(old, new, budget=5, labels=(np.array([every[4]]), np.array([0])))
    assert asked(found) == [every[0], every[3]]
    assert found.n_labelled == 3
    assert worth_labelling(old, new, budget=35, labels=(ids, label)).asked == ()


def test_models_that_agree_ask_for_nothing(world):
    old, new, _ = world((5, 0, 0, 5, 0))
    found = worth_labelling(old, new, budget=3)
    assert (found.asked, found.n_disagreeing) == ((), 0)


def test_classes_are_those_of_both_lists(world):
    old, new, _ = world((2, 1, 1, 0, 0), classes=("cat", "dog"))
    swapped = dataclasses.replace(new, classes=("dog", "cat"), prediction=1 - new.prediction)
    found = worth_labelling(old, swapped, budget=9)
    assert asked(found) == asked(worth_labelling(old, new, budget=9))
    draw = make_draw(old, dataclasses.replace(swapped, label=np.full(4, 1)), None, names=("a", "b"))
    assert draw.label.tolist() == [0, 0, 0, 0]  # class 1 of the new list is cat


def test_an_id_that_a_spreadsheet_must_not_run_is_found_again(world):
    old, new, _ = world((2, 2, 0, 0, 0))
    signed = [
        dataclasses.replace(one, sample_id=np.array([f"=im{i[2:]}" for i in one.sample_id])) for one in (old, new)
    ]
    ids = np.array([f"'{one}" for one in signed[0].sample_id])
    assert make_draw(*signed, (ids, np.arange(4) % 2), names=("a", "b")).label.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("budget", "labels", "said"),
    [
        (0, None, "a label budget of 0 asks for nothing: give at least 1"),
        (-5, None, "a label budget of -5 asks"),
        (5, (["im1", "im900", "im901"], [0, 0, 0]), r"2 of the 3 labels are of images .* \(im900, im901\)"),
        (5, (["im3"], [1]), r"the labels contradicts another label of 1 images \(im3\)"),
        (5, (["im4"], [7]), "class number 7 is used but only 3 classes"),
    ],
)
def test_what_is_refused(world, budget, labels, said):
    old, new, _ = world(COUNTS, classes=("a", "b", "c"), labelled=["im3"])
    given = None if labels is None else (np.array(labels[0]), np.array(labels[1]))
    with pytest.raises(InputError, match=said):
        worth_labelling(old, new, budget=budget, labels=given)
