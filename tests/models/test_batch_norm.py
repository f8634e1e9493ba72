"""Batch norm over processes: on one process it is torch's; over two, see also tests/engine/test_reducing.py."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from modelheir.models import batch_norm
from modelheir.models.batch_norm import SynchronisedBatchNorm, synchronised_batch_norm


def statistics():
    return torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 3, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_it_is_torchs_on_one_process(draw, shape, affine):
    x = draw(*shape, dtype=torch.float64).add(3).requires_grad_()
    weight, bias = (draw(4, dtype=torch.float64).requires_grad_() if affine else None for _ in range(2))
    direction = draw(*shape, dtype=torch.float64)
    found = []
    for norm in (
        lambda *a: F.batch_norm(*a[:5], True, 0.3, 1e-3),
        lambda *a: synchronised_batch_norm(*a, momentum=0.3, eps=1e-3),
    ):
        moving = statistics()
        y = norm(x, *moving, weight, bias)
        gradients = torch.autograd.grad((y * direction).sum(), [x, *([weight, bias] if affine else [])])
        found.append([y.detach(), *moving, *gradients])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_two_unequal_parts_are_the_whole(draw, monkeypatch):
    """Each part is normalised with the message of the other beside its own, as ``all_gather`` hands it out."""
    x = draw(9, 4, 3, scale=2.0, dtype=torch.float64) + 5
    parts, messages = (x[:2], x[2:]), []
    monkeypatch.setattr(batch_norm, "all_gather", lambda row: (messages.append(row), row)[1])
    for part in parts:
        synchronised_batch_norm(part, eps=0.0)
    monkeypatch.setattr(batch_norm, "all_gather", lambda row: torch.cat(messages))
    moving, whole = statistics(), statistics()
    ours = torch.cat([synchronised_batch_norm(parts[0], *moving), synchronised_batch_norm(parts[1])])
    torch.testing.assert_close(ours, F.batch_norm(x, *whole, training=True), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(moving, whole)


def test_while_entered_every_norm_in_training_is_joined(draw, monkeypatch):
    seen = []
    usual = synchronised_batch_norm
    monkeypatch.setattr(batch_norm, "synchronised_batch_norm", lambda x, **s: (seen.append(s), usual(x, **s))[1])
    net, x = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.5)), draw(5, 3)
    before = net(x)
    assert not seen
    with SynchronisedBatchNorm():
        torch.testing.assert_close(net(x), before)
        assert seen[0]["momentum"] == 0.5
        net.eval()(x)
    assert len(seen) == 1
    net.train()(x)
    assert len(seen) == 1
    assert int(net[1].num_batches_tracked) == 3


def test_half_precision_is_added_up_in_single(draw):
    x = (draw(64, 2) + 100).to(torch.bfloat16)
    found = synchronised_batch_norm(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), F.batch_norm(x.float(), None, None, training=True), atol=0.02, rtol=0.01)
