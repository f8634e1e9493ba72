import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.config.network import NetworkConfig
from modelheir.models.blends.fisher import empirical_fisher, fisher_information
from modelheir.models.bodies.thin import resnet10thin_wb
from modelheir.models.classifier import Classifier
from modelheir.types import Batch, Outputs


class Softmax(nn.Module):
    """Logits are a linear map of the pixels: its gradients are known in closed form."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 3)

    def forward(self, images):
        x = images.flatten(1)
        return Outputs(self.head(x), x)


def batches(n=7, side=2, size=3):
    images = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))
    return [
        Batch(inputs=part, labels=torch.full((len(part),), -1), index=torch.arange(len(part)))
        for part in images.split(size)
    ]


@pytest.mark.parametrize("how", ["auto", "vmap", "loop"])
def test_against_the_closed_form_of_a_linear_classifier(how):
    torch.manual_seed(1)
    model = Softmax()
    found = empirical_fisher(model, batches(), how=how, chunk_size=2)
    x = torch.cat([b.inputs.flatten(1) for b in batches()]).numpy().astype(np.float64)
    w, b = (p.detach().numpy().astype(np.float64) for p in (model.head.weight, model.head.bias))
    z = x @ w.T + b
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    g = p - np.eye(3)[z.argmax(1)]
    weight, bias = np.zeros_like(w), np.zeros_like(b)
    for one, pixels in zip(g, x, strict=True):
        weight += np.outer(one, pixels) ** 2
        bias += one**2
    mean = (weight.sum() + bias.sum()) / (weight.size + bias.size)
    np.testing.assert_allclose(found["head.weight"], weight / mean, rtol=1e-3)
    np.testing.assert_allclose(found["head.bias"], bias / mean, rtol=1e-3)


def network(norm="batch"):
    torch.manual_seed(2)
    spec = {
        "classes": ("a", "b", "c"),
        "network": dataclasses.asdict(NetworkConfig()),
        "resolution": 0,
        "image_size": 8,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    return Classifier(resnet10thin_wb(widths=(4, 4, 4, 6), stem="small", norm=norm), nn.Linear(6, 3), spec=spec)


def test_both_ways_agree_and_leave_the_network_alone():
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    data = batches(5, side=8)
    found, looped = empirical_fisher(model, data, how="vmap"), empirical_fisher(model, data, how="loop")
    torch.testing.assert_close(found, looped, rtol=1e-3, atol=1e-5)
    assert set(found) == {name for name, _ in model.named_parameters()}
    values = torch.cat([value.flatten() for value in found.values()])
    torch.testing.assert_close(values.mean(), torch.tensor(1.0))
    assert (values >= 0).all()
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    torch.testing.assert_close(model.state_dict(), before, atol=0, rtol=0)


def test_the_split_into_batches_does_not_matter():
    model = network("identity")
    torch.testing.assert_close(
        empirical_fisher(model, batches(6, side=8, size=6)),
        empirical_fisher(model, batches(6, side=8, size=1)),
        rtol=1e-3,
        atol=1e-5,
    )


class Branching(Softmax):
    """Asks for a value on the host, which cannot be batched."""

    def forward(self, images):
        return super().forward(images if float(images.sum()) > -1 else images * 2)


def test_a_network_that_cannot_be_batched_is_looped_over():
    torch.manual_seed(1)
    model = Branching()
    torch.testing.assert_close(empirical_fisher(model, batches()), empirical_fisher(model, batches(), how="loop"))
    with pytest.raises(RuntimeError):
        empirical_fisher(model, batches(), how="vmap")


def test_without_images():
    with pytest.raises(ValueError, match="images must be >= 1, got 0"):
        empirical_fisher(Softmax(), [])


def labelled(sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    images, labels = torch.rand(n, 3, 2, 2, generator=generator), torch.randint(3, (n,), generator=generator)
    return [
        Batch(inputs=x, labels=y, index=i)
        for x, y, i in zip(images.split(sizes), labels.split(sizes), torch.arange(n).split(sizes), strict=True)
    ]


def residuals(model, batch):
    """Return pixels ``(n, 12)`` and ``p - y`` ``(n, 3)`` in NumPy."""
    x = batch.inputs.flatten(1).numpy().astype(np.float64)
    z = x @ model.head.weight.detach().numpy().T.astype(np.float64) + model.head.bias.detach().numpy()
    p = np.exp(z - z.max(1, keepdims=True))
    return x, p / p.sum(1, keepdims=True) - np.eye(3)[batch.labels.numpy()]


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 99))
def test_of_labels_against_the_closed_form_image_by_image_and_of_batch_sums(sizes, seed):
    torch.manual_seed(1)
    model, batches = Softmax(), labelled(sizes, seed)
    image, whole = np.zeros((3, 12)), np.zeros((3, 12))
    for batch in batches:
        x, r = residuals(model, batch)
        image += (r**2).T @ x**2
        whole += (r.T @ x) ** 2
    got = fisher_information(model, batches, how="vmap", chunk_size=2)["head.weight"]
    np.testing.assert_allclose(got, image / sum(sizes), rtol=1e-3, atol=1e-7)
    got = fisher_information(model, batches, square="batch_sum")["head.weight"]
    np.testing.assert_allclose(got, whole / sum(sizes), rtol=1e-3, atol=1e-7)


def test_of_single_images_the_two_are_one_and_of_larger_batches_the_sum_is_larger():
    torch.manual_seed(1)
    model = Softmax()
    one, together = labelled([1] * 6), labelled([6])
    torch.testing.assert_close(fisher_information(model, one), fisher_information(model, one, square="batch_sum"))
    torch.testing.assert_close(fisher_information(model, one), fisher_information(model, together))
    alike = [Batch(inputs=b.inputs, labels=torch.zeros_like(b.labels), index=b.index) for b in together]
    grown = fisher_information(model, alike, square="batch_sum")["head.bias"].sum()
    assert grown > 5 * fisher_information(model, alike)["head.bias"].sum()  # six gradients that agree


def test_of_labels_says_what_is_wrong():
    with pytest.raises(ValueError, match="images must be >= 1, got 0"):
        fisher_information(Softmax(), [])
    for square in ("image", "batch_sum"):
        with pytest.raises(ValueError, match="a label here is -1"):
            fisher_information(Softmax(), batches(), square=square)
    with pytest.raises(ValueError, match="unknown square 'batch'"):
        fisher_information(Softmax(), labelled([1]), square="batch")
