import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from modelheir.losses import all_gather, neighbourhood_alignment

ROWS = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
NONE = torch.full((3,), -1)


def loop(new, old, labels, *, temperature, top_k, supervised, order):
    new = new / np.linalg.norm(new, axis=1, keepdims=True)
    old = old / np.linalg.norm(old, axis=1, keepdims=True)
    values = []
    for i in range(len(new)):
        others = [j for j in range(len(new)) if j != i]
        z = sum(np.exp(new[i] @ new[j] / temperature) for j in others)
        allowed = [j for j in others if not supervised or (labels[i] == labels[j] and labels[i] >= 0)]
        near = sorted(allowed, key=lambda j: -(old[i] @ old[j]))[:top_k]
        if not near:
            values.append(0.0)
        elif order == "out":
            values.append(np.mean([np.log(z) - new[i] @ new[j] / temperature for j in near]))
        else:
            values.append(np.log(z) - np.log(sum(np.exp(new[i] @ new[j] / temperature) for j in near)))
    return np.array(values)


def test_closed_form():
    for order in ("out", "in"):
        value = neighbourhood_alignment(ROWS, ROWS, NONE, temperature=1.0, order=order)
        torch.testing.assert_close(value, torch.tensor([0.3133, 0.3133, 0.6931]), atol=5e-5, rtol=0)


@pytest.mark.parametrize("order", ["out", "in"])
@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("top_k", [1, 3, 6, 50])
def test_equals_a_loop(draw, order, supervised, top_k):
    new, old, labels = draw(7, 4), draw(7, 3), torch.tensor([0, 1, 0, 2, -1, 1, -1])
    options = {"temperature": 0.3, "top_k": top_k, "supervised": supervised, "order": order}
    value = neighbourhood_alignment(new, old, labels, **options)
    np.testing.assert_allclose(value, loop(new.numpy(), old.numpy(), labels.numpy(), **options), rtol=1e-4, atol=1e-6)


def test_order_in_is_never_the_larger(draw):
    new, old, labels = draw(9, 4), draw(9, 3), torch.zeros(9, dtype=torch.int64)
    for k in (1, 4):
        out, inside = (neighbourhood_alignment(new, old, labels, top_k=k, order=o) for o in ("out", "in"))
        assert (inside <= out + 1e-5).all()
        assert torch.allclose(inside, out, atol=1e-5) == (k == 1)


def test_supervised_matters_when_the_nearest_has_another_label():
    labels = torch.tensor([0, 1, 0])
    plain = neighbourhood_alignment(ROWS, ROWS, labels, temperature=1.0)
    supervised = neighbourhood_alignment(ROWS, ROWS, labels, temperature=1.0, supervised=True)
    assert supervised[0] > plain[0]
    assert supervised[1] == 0  # no other image has label 1


def test_scale_and_rotation_of_either_side_change_nothing(draw):
    new, old, labels = draw(8, 4), draw(8, 5), torch.zeros(8, dtype=torch.int64)
    turn_new, turn_old = torch.linalg.qr(draw(4, 4)).Q, torch.linalg.qr(draw(5, 5)).Q
    torch.testing.assert_close(
        neighbourhood_alignment(3 * new @ turn_new, 0.2 * old @ turn_old, labels, top_k=2),
        neighbourhood_alignment(new, old, labels, top_k=2),
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.mark.parametrize("order", ["out", "in"])
@pytest.mark.parametrize("supervised", [False, True])
def test_opposite_features_stay_finite(order, supervised):
    new = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 1])
    value = neighbourhood_alignment(new, new, labels, temperature=0.01, order=order, supervised=supervised)
    value.sum().backward()
    assert value.isfinite().all()
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_half_precision_features_under_autocast(draw):
    new, old, labels = draw(6, 4), draw(6, 4), torch.zeros(6, dtype=torch.int64)
    with torch.autocast("cpu", torch.bfloat16):
        inside = neighbourhood_alignment(new, old, labels)
    torch.testing.assert_close(inside, neighbourhood_alignment(new, old, labels))
    assert neighbourhood_alignment(new.half(), old.half(), labels).dtype == torch.float32


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least two images"):
        neighbourhood_alignment(ROWS[:1], ROWS[:1], NONE[:1])
    with pytest.raises(ValueError, match="lengths must be equal: new has 3, old has 2"):
        neighbourhood_alignment(ROWS, ROWS[:2], NONE)
    with pytest.raises(ValueError, match=r"unknown order 'inn'\. Did you mean 'in'"):
        neighbourhood_alignment(ROWS, ROWS, NONE, order="inn")  # pyright: ignore


def _features() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    images, old = (torch.randn(8, 5, generator=generator) for _ in range(2))
    weight = torch.randn(4, 5, generator=generator)
    return images, old, weight, torch.tensor([0, 1, 0, 1, 2, 2, 0, 1])


def _part(rank: int, world: int, folder: str, supervised: bool) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    images, old, weight, labels = _features()
    weight.requires_grad_()
    own = slice(rank * 8 // world, (rank + 1) * 8 // world)
    values = neighbourhood_alignment(
        images[own] @ weight.T, old[own], labels[own], top_k=2, supervised=supervised, gather=all_gather
    )
    values.mean().backward()
    assert weight.grad is not None
    distributed.all_reduce(weight.grad)
    torch.save({"values": values.detach(), "grad": weight.grad / world}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.distributed
@pytest.mark.parametrize("supervised", [False, True])
def test_two_processes_equal_one(tmp_path: Path, supervised: bool, copies):
    copies.part(_part, 2, str(tmp_path), supervised)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    images, old, weight, labels = _features()
    weight.requires_grad_()
    values = neighbourhood_alignment(images @ weight.T, old, labels, top_k=2, supervised=supervised)
    values.mean().backward()
    torch.testing.assert_close(torch.cat([part["values"] for part in parts]), values.detach())
    for part in parts:
        torch.testing.assert_close(part["grad"], weight.grad)
