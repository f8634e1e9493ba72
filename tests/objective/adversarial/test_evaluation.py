"""Robust accuracy of a linear classifier in closed form: the margin must be above what the bound can take away."""

import numpy as np
import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.data import tensor_stream
from modelheir.inference import Runtime, predict_model
from modelheir.objective.adversarial import predict_attacked, robust_accuracy
from modelheir.types import Outputs


class Linear(nn.Module):
    """Two classes, apart by the sign of a linear function of the pixels."""

    classes = ("a", "b")
    spec = {"name": "linear"}  # noqa: RUF012

    def __init__(self, seed=0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(12, generator=torch.Generator().manual_seed(seed)))
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x):
        gap = (x - 0.5).flatten(1) @ self.weight
        return Outputs(torch.stack([-gap, gap], 1), x.flatten(1))


def stream(n=60, classes=("a", "b"), labels=None):
    images = 0.3 + 0.4 * torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(3))
    gap = (images - 0.5).flatten(1) @ Linear().weight.detach()
    labels = (gap > 0).long() if labels is None else labels
    return images, gap, tensor_stream(
        images, labels, batch_size=16, train=False, seed=0, ids=[str(i) for i in range(n)], classes=classes
    )  # fmt: skip


@pytest.mark.parametrize("epsilon", [0.0, 0.02, 0.08, 0.3])
def test_it_is_the_share_of_margins_above_the_bound(epsilon):
    """All images are told rightly, and no change leaves the range, so that ``|gap| > epsilon |w|_1`` decides."""
    _, gap, held = stream()
    expected = float((gap.abs() > epsilon * Linear().weight.detach().abs().sum()).float().mean())
    model = Linear().train()
    found = robust_accuracy(model, held, Runtime("cpu"), epsilon=epsilon, steps=20)
    assert found == pytest.approx(expected)
    assert 0.0 <= found <= 1.0
    assert model.training
    assert model.weight.grad is None


def test_predictions_are_of_every_image_in_its_place():
    _, gap, held = stream()
    found = predict_attacked(Linear(), held, Runtime("cpu"), epsilon=0.05, steps=5)
    assert found.sample_id.tolist() == held.ids.tolist()
    moved = gap.numpy() - np.sign(gap.numpy()) * 0.05 * Linear().weight.detach().abs().sum().item()
    np.testing.assert_allclose(found.logits[:, 1], moved, atol=1e-5)
    clean = predict_model(Linear(), held, Runtime("cpu"))
    zero = predict_attacked(Linear(), held, Runtime("cpu"), epsilon=0.0)
    np.testing.assert_allclose(zero.logits, clean.logits, atol=1e-6)


class Ridges(Linear):
    """A loss with many summits, where more starts find more."""

    def forward(self, x):
        gap = torch.sin(25 * x.flatten(1)).sum(1) + 1.0
        return Outputs(torch.stack([-gap, gap], 1), x.flatten(1))


def test_more_starts_find_no_less():
    images, _, _ = stream()
    labels = (Ridges()(images).logits[:, 1] > 0).long()
    _, _, held = stream(labels=labels)
    few, many = (
        robust_accuracy(Ridges(), held, Runtime("cpu"), epsilon=0.1, steps=2, restarts=r, seed=1) for r in (1, 8)
    )
    assert many < few < 1.0


def test_other_classes_and_no_labels_are_refused():
    _, _, other = stream(classes=("b", "a"))
    with pytest.raises(InputError, match="must have the model's own classes"):
        robust_accuracy(Linear(), other, Runtime("cpu"))
    _, _, none = stream(labels=torch.full((60,), -1))
    with pytest.raises(ValueError, match="robust accuracy needs labelled images"):
        robust_accuracy(Linear(), none, Runtime("cpu"), steps=1)
