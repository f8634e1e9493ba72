import dataclasses

import numpy as np
import pytest

from modelheir.analysis.pairing import pair_up
from modelheir.checks import InputError
from modelheir.types import Predictions


def said(ids, label, prediction, classes=None, logits=None):
    return Predictions(np.array(list(ids)), np.array(label), np.array(prediction), logits, classes=classes)


def test_order_does_not_matter(make):
    pair = pair_up(make(1), make(2, order=7))
    straight = make(2)
    np.testing.assert_array_equal(pair.new.prediction, straight.prediction)
    np.testing.assert_array_equal(pair.new.take(make(2, order=7).columns["site"]), straight.columns["site"])
    assert pair.old.rows is None
    assert pair.count == 5


def test_classes_are_matched_by_name():
    old = said("ab", [0, 1], [0, 0], ("cat", "dog"))
    new = said("ab", [2, 0], [2, 1], ("dog", "emu", "cat"))
    pair = pair_up(old, new)
    assert pair.classes == ("cat", "dog", "emu")
    assert pair.new.prediction.tolist() == [0, 2]
    assert pair.label.tolist() == [0, 1]
    one_knows = pair_up(dataclasses.replace(old, classes=None), dataclasses.replace(old))
    assert one_knows.class_name(1) == "dog"


def test_unlabelled_images_are_left_out():
    pair = pair_up(said("abc", [0, -1, 1], [0, 0, 0]), said("cba", [1, -1, 0], [1, 0, 0]))
    assert pair.sample_id.tolist() == ["a", "c"]
    assert pair.new.prediction.tolist() == [0, 1]
    assert pair.unlabelled == 1


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (said("abc", [0, 1, 1], [0, 1, 1]), r"the new file has another label than the old file for 1 images \(c\)"),
        (said("abx", [0, 1, 0], [0, 1, 1]), r"lacks 1 sample ids of the old file \(c\)"),
        (said("abb", [0, 1, 1], [0, 1, 1]), "repeats 1 sample ids"),
        (said("abc", [0, 1, -1], [0, 1, 0]), "another label"),
        (said("abc", [0, 1, 0], [0, 1, 0], ("x", "y")), "the old file and the new file share no class name"),
    ],
)
def test_files_that_do_not_belong_together(new, words):
    with pytest.raises(InputError, match=words):
        pair_up(said("abc", [0, 1, 0], [0, 0, 0], ("cat", "dog")), new)


def test_numbers_against_names_point_to_the_class_list():
    named, numbered = said("abc", [0, 1, 0], [0, 0, 0], ("cat", "dog")), said("abc", [1, 0, 1], [1, 1, 1])
    hint = r"or one numbers the classes that the other names: give it their names with --classes FILE\.$"
    for pair in ((named, numbered), (numbered, named)):
        with pytest.raises(InputError, match=hint):
            pair_up(*pair)
    for one in (named, numbered):
        with pytest.raises(InputError, match=r"do not describe the same data\.$"):
            pair_up(one, dataclasses.replace(one, label=1 - one.label))


def test_nothing_to_compare():
    none = said("ab", [-1, -1], [0, 0])
    with pytest.raises(InputError, match="none of the 2 images has a label"):
        pair_up(none, none)
    for number in (2, 3):
        beyond = said("abc", [0, 1, number], [0, 1, 0], ("x", "y"))
        with pytest.raises(InputError, match=f"class number {number} is used but only 2 classes are named"):
            pair_up(beyond, beyond)


def test_without_names_the_classes_are_those_that_have_a_score_or_occur():
    bare = said("ab", [3, 5], [3, 3])
    assert pair_up(bare, bare).numbers.tolist() == [3, 5]
    scored = dataclasses.replace(bare, logits=np.zeros((2, 4)))
    for pair in (pair_up(bare, scored), pair_up(scored, bare)):
        assert pair.numbers.tolist() == [0, 1, 2, 3, 5]


def test_confidence_is_of_the_answer_and_of_the_pairs_rows(make):
    old, new = make(1), make(2, order=3)
    pair = pair_up(old, new)
    rows = np.array([7, 3])
    at = [new.sample_id.tolist().index(old.sample_id[row]) for row in rows]
    want = [np.exp(new.logits[k].max()) / np.exp(new.logits[k]).sum() for k in at]
    np.testing.assert_allclose(pair.new.confidence(rows), want, rtol=1e-5)
    np.testing.assert_allclose(pair_up(old, make(2, order=3, scores="probabilities")).new.confidence(rows), want, 1e-5)
    assert pair_up(make(1, scores=None), new).old.confidence(rows) is None
