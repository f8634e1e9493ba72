"""The loss of samples without labels, by hand for each kind of label; where gradients flow; refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.losses import confident_labels, cross_entropy
from modelheir.objective import Consistency, FixedThreshold, PseudoLabels, SoftMatch

B, C = 9, 4
INDEX = torch.arange(B)


class Step:
    """The least that is read of the engine."""

    def __init__(self):
        self.seen = {}

    def gather(self, values):
        return values

    def observe(self, name, value):
        self.seen[name] = value.item()


def test_it_is_the_loss_of_fixmatch(draw, log_softmax):
    weak, strong, step = draw(B, C, scale=2.0), draw(B, C), Step()
    p, log_q = np.exp(log_softmax(weak.numpy())), log_softmax(strong.numpy())
    sure = [n for n in range(B) if p[n].max() >= 0.7]
    expected = 3 * sum(-log_q[n, p[n].argmax()] for n in sure) / B
    made = Consistency(PseudoLabels(FixedThreshold(0.7)), weight=3.0)
    found = made(weak, strong, INDEX, step)
    assert list(found) == ["unlabelled"]
    assert 0 < len(sure) < B
    assert found["unlabelled"].item() == pytest.approx(expected, rel=1e-5)
    assert step.seen == {"train/confident": pytest.approx(len(sure) / B)}


def test_soft_targets_and_soft_weights(draw, log_softmax):
    weak, strong = draw(B, C, scale=2.0), draw(B, C)
    p, log_q = np.exp(log_softmax(weak.numpy())), log_softmax(strong.numpy())
    powers = p ** (1 / 0.5)
    targets = powers / powers.sum(1, keepdims=True)
    weights = SoftMatch(C, momentum=0.5).weights(weak.softmax(1), INDEX).numpy()
    expected = np.mean([-weights[n] * (targets[n] * log_q[n]).sum() for n in range(B)])
    made = Consistency(PseudoLabels(SoftMatch(C, momentum=0.5), sharpen=0.5))
    assert made(weak, strong, INDEX, Step())["unlabelled"].item() == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1), st.integers(0, 50))
def test_equals_cross_entropy_with_confident_labels(threshold, seed):
    generator = torch.Generator().manual_seed(seed)
    weak, strong = (2 * torch.randn(B, C, generator=generator) for _ in range(2))
    found = Consistency(PseudoLabels(FixedThreshold(threshold)))(weak, strong, INDEX, Step())["unlabelled"]
    torch.testing.assert_close(found, cross_entropy(strong, confident_labels(weak, threshold=threshold)).mean())


def test_gradients_flow_through_the_strong_view_alone(draw):
    weak, strong = draw(B, C).requires_grad_(), draw(B, C).requires_grad_()
    Consistency(PseudoLabels(FixedThreshold(0.0)))(weak, strong, INDEX, Step())["unlabelled"].backward()
    assert weak.grad is None
    assert strong.grad.abs().sum() > 0


def test_none_confident_and_half_precision(draw):
    weak = torch.zeros(B, C, dtype=torch.float16)
    strong = draw(B, C).half().requires_grad_()
    step = Step()
    found = Consistency(PseudoLabels(FixedThreshold(0.9)))(weak, strong, INDEX, step)["unlabelled"]
    found.backward()
    assert found.item() == 0
    assert found.dtype == torch.float32
    assert strong.grad.abs().sum() == 0
    assert step.seen["train/confident"] == 0


def test_refusals(draw):
    made = Consistency(PseudoLabels(FixedThreshold()))
    with pytest.raises(ValueError, match="shapes must be equal: weak"):
        made(draw(B, C), draw(B, 3), INDEX, Step())
    with pytest.raises(ValueError, match="weight must be >= 0"):
        Consistency(PseudoLabels(FixedThreshold()), weight=-1.0)
