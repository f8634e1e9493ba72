"""Losses that compare an image with its batch: two processes that gather give the values and gradients of one."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed

from modelheir import losses

ROWS, WORLD = 8, 2


def contrast(new: Tensor, old: Tensor, gather) -> Tensor:
    return losses.ContrastiveRepresentationLoss(4, 3, width=5, seed=1).per_image(new, old, gather=gather)


CALLS = {
    "relational": lambda n, o, g: losses.relational(n, o, angle_weight=2.0, gather=g),
    "probabilistic_transfer": lambda n, o, g: losses.probabilistic_transfer(n, o, gather=g),
    "similarity_preserving": lambda n, o, g: losses.similarity_preserving(n, o, gather=g),
    "correlation_congruence": lambda n, o, g: losses.correlation_congruence(n, o, gather=g),
    "contrastive_representation": contrast,
}


def computed(name: str, own: slice, gather) -> tuple[Tensor, Tensor]:
    """The values of some rows, and the gradient of their mean in a layer before them."""
    generator = torch.Generator().manual_seed(3)
    images, old = torch.randn(ROWS, 5, generator=generator), torch.randn(ROWS, 3, generator=generator)
    weight = torch.randn(4, 5, generator=generator).requires_grad_()
    values = CALLS[name](images[own] @ weight.T, old[own], gather)
    values.mean().backward()
    assert weight.grad is not None
    return values.detach(), weight.grad


def part(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    saved, own = {}, slice(rank * ROWS // WORLD, (rank + 1) * ROWS // WORLD)
    for name in CALLS:
        values, grad = computed(name, own, losses.all_gather)
        distributed.all_reduce(grad)
        saved[name] = (values, grad / WORLD)
    torch.save(saved, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.distributed
def test_two_processes_equal_one(tmp_path: Path, copies):
    copies.part(part, str(tmp_path), world=WORLD)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(WORLD)]
    for name in CALLS:
        values, grad = computed(name, slice(None), None)
        torch.testing.assert_close(torch.cat([one[name][0] for one in parts]), values)
        for one in parts:
            torch.testing.assert_close(one[name][1], grad, rtol=1e-4, atol=1e-6)


def test_without_the_others_the_values_differ():
    """So that the test above cannot pass by gathering nothing."""
    for name in CALLS:
        whole, alone = (computed(name, own, None)[0] for own in (slice(None), slice(0, ROWS // WORLD)))
        assert not torch.allclose(whole[: ROWS // WORLD], alone), name
