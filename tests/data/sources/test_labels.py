import pytest

from modelheir.checks import InputError
from modelheir.data.sources.labels import number_labels, same_classes


def test_numbers_are_sorted_as_numbers_and_text_as_text():
    assert number_labels({"train": ["10", "9", "-1"]}, where="x")[0] == ("9", "10")
    assert number_labels({"train": ["b", "10", "a"]}, where="x")[0] == ("10", "a", "b")


def test_unlabelled_is_minus_one_in_every_spelling():
    assert number_labels({"train": [1, 0, None, -1, "", "-1"]}, where="x")[1]["train"].tolist() == [
        1,
        0,
        -1,
        -1,
        -1,
        -1,
    ]


def test_without_a_training_split_all_labels_count():
    assert number_labels({"val": [3], "test": [5]}, where="x")[0] == ("3", "5")


def test_a_label_outside_the_class_list_is_named():
    with pytest.raises(InputError, match="x: the val split has labels outside the class list of train: 'cow'"):
        number_labels({"train": ["cat", "dog"], "val": ["cow"]}, where="x")
    with pytest.raises(InputError, match="label -2 is outside the class list"):
        number_labels({"train": [0, -2]}, where="x")


def test_class_lists_that_differ_are_named_from_both_sides():
    assert same_classes({"train": ["a", "b"], "val": ["b", "a"]}, where="x") == ("a", "b")
    with pytest.raises(InputError, match="train and val differ: val lacks 'a'; train lacks 'c'"):
        same_classes({"train": ["a", "b"], "val": ["b", "c"]}, where="x")
    with pytest.raises(InputError, match="and 2 more"):
        same_classes({"train": list("abcdefg"), "val": []}, where="x")
