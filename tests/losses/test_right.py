import numpy as np
import pytest
import torch

from modelheir.losses import is_right, is_wrong


def test_right_and_wrong_are_numpys_and_an_unlabelled_image_is_neither(draw):
    logits, labels = draw(7, 5), torch.tensor([0, 1, 2, 3, 4, -1, -1])
    best = logits.numpy().argmax(1)
    np.testing.assert_array_equal(is_right(logits, labels), best == labels.numpy())
    np.testing.assert_array_equal(is_wrong(logits, labels), (best != labels.numpy()) & (labels.numpy() >= 0))
    labels[0] = int(best[0])
    assert bool(is_right(logits, labels)[0])
    assert not bool(is_wrong(logits, labels)[0])


def test_a_class_that_the_model_lacks_is_not_right(draw):
    assert is_right(draw(2, 3), torch.tensor([4, 4])).tolist() == [False, False]


def test_mixed_targets_have_no_right_answer(draw):
    with pytest.raises(ValueError, match="one integer label an image"):
        is_right(draw(2, 3), draw(2, 3))
