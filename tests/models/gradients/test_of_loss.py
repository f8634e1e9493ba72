import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from modelheir.models.gradients import batch_gradient, in_evaluation, per_image_gradients
from modelheir.models.gradients.of_loss import need_labels
from modelheir.types import Batch, Outputs


class Net(nn.Module):
    """A small convolutional network with a batch norm and a frozen layer."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(8, 3)
        self.body[0].weight.requires_grad_(False)

    def forward(self, images):
        features = self.body(images)
        return Outputs(self.head(features), features)


def data(sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    images, labels = torch.rand(n, 1, 4, 4, generator=generator), torch.randint(3, (n,), generator=generator)
    return [
        Batch(inputs=x, labels=y, index=i)
        for x, y, i in zip(images.split(sizes), labels.split(sizes), torch.arange(n).split(sizes), strict=True)
    ]


def net():
    torch.manual_seed(0)
    return Net().eval()


def by_backward(model, images, labels, reduction="mean"):
    copied = Net().eval()
    copied.load_state_dict(model.state_dict())
    copied.requires_grad_(True)
    F.cross_entropy(copied(images).logits, labels, reduction=reduction).backward()
    return {name: value.grad for name, value in copied.named_parameters()}


@pytest.mark.parametrize("how", ["auto", "vmap", "loop"])
def test_each_image_against_backward_frozen_parameters_too(how):
    model, batches = net(), data([3, 2])
    parts = list(per_image_gradients(model, batches, F.cross_entropy, how=how, chunk_size=2))
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    images, labels = (torch.cat([getattr(b, key) for b in batches]) for key in ("inputs", "labels"))
    for row in range(5):
        wanted = by_backward(model, images[row : row + 1], labels[row : row + 1])
        torch.testing.assert_close({name: value[row] for name, value in found.items()}, wanted, rtol=1e-4, atol=1e-6)
    assert [len(part["head.bias"]) for part in parts] == ([1] * 5 if how == "loop" else [2, 1, 2])
    assert all(value.grad is None for value in model.parameters())


def test_a_batchs_gradient_against_backward():
    model, (batch,) = net(), data([4])
    for reduction in ("mean", "sum"):
        got = batch_gradient(model, batch, lambda z, y, how=reduction: F.cross_entropy(z, y, reduction=how))
        torch.testing.assert_close(got, by_backward(model, batch.inputs, batch.labels, reduction), rtol=1e-4, atol=1e-6)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.sampled_from([None, 1, 2, 32]), st.integers(0, 99))
def test_images_sum_to_the_batch_however_they_are_cut(sizes, chunk, seed):
    model, batches = net(), data(sizes, seed)
    total = sum(
        part["head.weight"].sum(dim=0)
        for part in per_image_gradients(model, batches, F.cross_entropy, how="vmap", chunk_size=chunk)
    )
    (whole,) = data([sum(sizes)], seed)
    wanted = batch_gradient(model, whole, lambda z, y: F.cross_entropy(z, y, reduction="sum"))
    torch.testing.assert_close(total, wanted["head.weight"], rtol=1e-4, atol=1e-5)


def test_evaluation_mode_ends_also_after_an_error():
    model = net().train()
    model.body[1].eval()
    inside = []

    def fail():
        inside.extend(part.training for part in model.modules())
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), in_evaluation(model):
        fail()
    assert not any(inside)
    assert model.training
    assert not model.body[1].training


def test_no_images_give_nothing_and_bad_words_are_refused():
    assert list(per_image_gradients(net(), [], F.cross_entropy)) == []
    with pytest.raises(ValueError, match="unknown how 'vmaps'"):
        next(per_image_gradients(net(), data([1]), F.cross_entropy, how="vmaps"))
    (batch,) = data([2])
    need_labels(batch)
    with pytest.raises(ValueError, match="a label here is -1"):
        need_labels(Batch(inputs=batch.inputs, labels=torch.tensor([0, -1]), index=batch.index))
