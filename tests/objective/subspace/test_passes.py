"""Loss and gradient of a batch in one piece and in several."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.objective.subspace.passes import Passes
from modelheir.types import LossTerms


def passes(plane, accumulate=1, **net):
    model = plane.net(norm=False, **net)
    z = plane.make(model, plane.orthonormal(3, sum(one.numel() for one in model.parameters())))
    step, batches = plane.step(model), plane.batch(12)
    return Passes(model, plane.of_net(model), batches, step, accumulate=accumulate, where="method.steps"), z, step


@pytest.mark.parametrize("accumulate", [1, 3, 12])
def test_micro_batches_change_neither_loss_nor_gradient(plane, accumulate):
    """Q-10: trials see all of them, and so does the gradient."""
    some, z, _ = passes(plane, accumulate)
    batch = plane.batch(12)["train"]
    loss = cross_entropy(some.model(batch.inputs), batch.labels)
    (expected,) = torch.autograd.grad(loss, z)
    for which in (some.first, some.again):
        terms, gradients = which(z)
        torch.testing.assert_close(terms.total, loss.detach())
        torch.testing.assert_close(gradients[z], expected)
    torch.testing.assert_close(some.loss(), loss.detach())
    assert not some.loss().requires_grad
    assert (some.forwards, some.backwards) == (4, 2)
    assert some.cost == pytest.approx(8 / 3)


def test_later_passes_draw_what_the_first_drew(plane):
    """Q-7: dropout masks; those of one micro-batch differ from those of the next."""
    some, z, _ = passes(plane, 2, dropout=0.5)
    terms, gradients = some.first(z)
    assert some.loss() == terms.total
    assert torch.equal(some.again(z)[1][z], gradients[z])


def test_what_is_observed_is_a_mean_over_micro_batches_and_logged_once(plane):
    whole, z, _ = passes(plane)
    parts, other, step = passes(plane, 3)
    one, several = whole.first(z)[0].observed, parts.first(other)[0].observed
    assert several["train/accuracy"] == pytest.approx(float(one["train/accuracy"]))
    assert 0 < one["train/accuracy"] < 1
    parts.objective = lambda batches, step: LossTerms(
        {"task": 0 * other.sum()}, {"said": batches["train"].index.double().mean()}
    )
    assert parts.first(other)[0].observed["said"] == 5.5
    parts.loss()
    assert step.observed() == {}


def test_what_a_loss_does_not_use_has_no_gradient(plane):
    some, z, _ = passes(plane)
    other = torch.nn.Parameter(torch.zeros(2))
    assert set(some.first(z, other)[1]) == {z}


def test_a_batch_that_cannot_be_cut_is_refused(plane):
    with pytest.raises(InputError, match=r"method\.steps\.accumulate = 5: must divide the 12 images"):
        passes(plane, 5)


def test_pairs_of_views_and_targets_are_cut_alike(plane):
    import dataclasses

    from modelheir.objective.subspace.passes import _cut

    batch = plane.batch(6)["train"]
    whole = dataclasses.replace(
        batch,
        inputs=(batch.inputs, 2 * batch.inputs),
        targets=torch.eye(6),
        extra={"weight": torch.arange(6)},
    )
    parts = [one["train"] for one in _cut({"train": whole}, 3, "method")]
    assert [len(one) for one in parts] == [2, 2, 2]
    assert torch.equal(torch.cat([one.inputs[1] for one in parts]), whole.inputs[1])
    assert torch.equal(torch.cat([one.targets for one in parts]), whole.targets)
    assert torch.equal(torch.cat([one.extra["weight"] for one in parts]), whole.extra["weight"])
    assert torch.equal(torch.cat([one.index for one in parts]), whole.index)
    assert all(one.labelled for one in parts)


def test_the_gradient_along_directions_is_not_rounded_to_half(plane):
    """Q-9: passes in bf16, P g of what they give in float32."""
    model, plain = plane.net(norm=False).float(), plane.net(norm=False).float()
    rows = plane.orthonormal(3, sum(one.numel() for one in model.parameters()))
    z, step, batches = plane.make(model, rows), plane.step(model), plane.batch(12)
    with torch.autocast("cpu", torch.bfloat16):
        _, gradients = Passes(model, plane.of_net(model), batches, step).first(z)
        loss = plane.of_net(plain)(batches, step).total
    loss.backward()
    whole = torch.cat([one.grad.reshape(-1) for one in plain.parameters()])
    torch.testing.assert_close(gradients[z], rows.float() @ whole, rtol=1e-4, atol=1e-6)
