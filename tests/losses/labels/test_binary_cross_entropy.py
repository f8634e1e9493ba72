import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.nn import functional

from modelheir.losses import binary_cross_entropy, soft_binary_cross_entropy


@pytest.mark.parametrize("classes", [1, 3, 1200])
def test_equals_the_formula_for_any_number_of_classes(draw, classes):
    logits, labels = draw(7, classes), torch.arange(7) % classes
    probability, one_hot = expit(logits.numpy().astype(float)), np.eye(classes)[labels]
    wanted = -(one_hot * np.log(probability) + (1 - one_hot) * np.log(1 - probability)).mean(1)
    np.testing.assert_allclose(binary_cross_entropy(logits, labels), wanted, rtol=1e-4)


def test_soft_targets_and_one_hot_agree(draw):
    logits, labels = draw(7, 5), torch.arange(7) % 5
    torch.testing.assert_close(
        soft_binary_cross_entropy(logits, functional.one_hot(labels, 5)), binary_cross_entropy(logits, labels)
    )


def test_unlabelled_images_count_as_zero(draw):
    assert binary_cross_entropy(draw(2, 5), torch.tensor([-1, 1]))[0] == 0


def test_far_logits_stay_finite():
    value = binary_cross_entropy(torch.tensor([[-500.0, 500.0]]), torch.tensor([0]))
    assert value.item() == 500


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\)"):
        binary_cross_entropy(draw(3, 5), torch.zeros(3, 5))
