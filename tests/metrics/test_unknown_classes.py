import numpy as np

from modelheir.metrics.unknown_classes import GAP, unknown_classes


def test_only_columns_below_all_others_in_every_row_are_unknown():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=20, size=(50, 4)).astype(np.float32)
    logits[:, 2] = logits[:, [0, 1, 3]].min(1) - GAP
    logits[7, 0] -= 5 * GAP  # once is an outlier, not an unknown class
    logits[7, 2] = logits[7].min() - GAP
    assert unknown_classes(logits, tuple("abcd")) == ("c",)


def test_a_model_that_knows_one_class_leaves_the_others_unknown():
    known = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)
    assert unknown_classes(np.concatenate([known, known - np.float32(GAP)], axis=1), ("a", "b")) == ("b",)


def test_without_logits_or_names_nothing_is_said():
    assert unknown_classes(None, ("a",)) == unknown_classes(np.zeros((3, 2)), None) == ()


def test_the_gap_has_a_little_room_for_rounding():
    logits = np.array([[0.0, -1.0, -999.0, -998.9], [5.0, 4.0, -994.1, -994.1]])
    assert unknown_classes(logits, tuple("abcd")) == ("c",)
    assert unknown_classes(logits[:0], tuple("abcd")) == unknown_classes(logits, ()) == ()
