import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.nn import functional

from modelheir.losses import multi_label, positive_ratio_weights

LABELS = torch.tensor([[1, 0, -1, 0], [0, 0, 1, 1], [-1, -1, -1, -1]])
RATIO = torch.tensor([0.1, 0.9, 0.5, 0.2])


def loop(logits, labels, ratio, epsilon):
    values = []
    for row, answers in zip(expit(logits.astype(float)), labels, strict=True):
        total = 0.0
        for c, (p, y) in enumerate(zip(row, answers, strict=True)):
            target = (1 - epsilon) * y + epsilon / len(row)
            weight = 1.0 if ratio is None else np.exp(1 - ratio[c] if y == 1 else ratio[c])
            total -= (y >= 0) * weight * (target * np.log(p) + (1 - target) * np.log(1 - p))
        values.append(total)
    return np.array(values)


@pytest.mark.parametrize("ratio", [None, RATIO])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_equals_a_loop(draw, ratio, epsilon):
    logits = draw(3, 4)
    wanted = loop(logits.numpy(), LABELS.numpy(), None if ratio is None else ratio.numpy(), epsilon)
    value = multi_label(logits, LABELS, positive_ratio=ratio, label_smoothing=epsilon)
    np.testing.assert_allclose(value, wanted / 4, rtol=1e-5)
    summed = multi_label(logits, LABELS, positive_ratio=ratio, label_smoothing=epsilon, sum_over_classes=True)
    np.testing.assert_allclose(summed, wanted, rtol=1e-5)
    assert value[2] == 0


def test_known_answers_alone_are_binary_cross_entropy(draw):
    logits, labels = draw(7, 5), torch.arange(35).reshape(7, 5) % 2
    wanted = functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none").mean(1)
    torch.testing.assert_close(multi_label(logits, labels), wanted)


@pytest.mark.parametrize("ratio", [None, RATIO])
def test_unknown_answers_have_no_gradient(draw, ratio):
    logits = draw(3, 4).requires_grad_()
    multi_label(logits, LABELS, positive_ratio=ratio, label_smoothing=0.1).sum().backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad.ne(0), LABELS >= 0)


def test_the_rarer_answer_weighs_more():
    weights = positive_ratio_weights(torch.tensor([[1, 1], [0, 0]]), torch.tensor([0.1, 0.9]))
    np.testing.assert_allclose(weights, np.exp([[0.9, 0.1], [0.1, 0.9]]), rtol=1e-6)


def test_its_optimum_is_the_sigmoid_of_each_class():
    """Softmax would ask two certain answers to share one certainty."""
    logits = torch.tensor([[40.0, 40.0, -40.0]])
    assert multi_label(logits, torch.tensor([[1, 1, 0]])).item() == pytest.approx(0, abs=1e-6)
    assert logits.softmax(1).max().item() == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_far_half_precision_logits_are_finite(dtype):
    value = multi_label(torch.tensor([[-6e4, 6e4]], dtype=dtype), torch.tensor([[1, 0]]))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(6e4, rel=1e-2)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"labels must have two dimensions \(N, C\), got shape \(3,\)"):
        multi_label(draw(3, 4), LABELS[:, 0])
    with pytest.raises(ValueError, match=r"positive_ratio must have shape \(4,\), one a class, got \(3,\)"):
        multi_label(draw(3, 4), LABELS, positive_ratio=RATIO[:3])
    with pytest.raises(ValueError, match="label_smoothing must be from 0 to 1"):
        multi_label(draw(3, 4), LABELS, label_smoothing=2)
