import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import distributed

from modelheir.losses import all_gather, masked_mean, mean_one


def test_masked_mean_is_numpys_mean_of_the_chosen(draw):
    values, mask = draw(9), torch.tensor([True, False, True] * 3)
    np.testing.assert_allclose(masked_mean(values, mask), values.numpy()[mask.numpy()].mean(), rtol=1e-6)


def test_masked_mean_edges():
    nothing = torch.zeros(0, requires_grad=True)
    value = masked_mean(nothing, torch.zeros(0, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert masked_mean(torch.tensor([torch.inf, 3.0]), torch.tensor([False, True])).item() == 3.0


def test_masked_means_of_processes_average_to_the_mean_of_all():
    values, mask = torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([True, False, True, True])
    counts = torch.tensor([1.0, 2.0])
    parts = [masked_mean(values[rows], mask[rows], gather=lambda own: counts) for rows in (slice(0, 2), slice(2, 4))]
    assert sum(part.item() for part in parts) / 2 == pytest.approx(13 / 3)


def test_weights_have_mean_one_over_the_images_that_count():
    weights, mask = torch.tensor([6.0, 2.0, 1.0, 1.0]), torch.tensor([True, True, False, False])
    assert mean_one(weights, mask=mask)[mask].tolist() == [1.5, 0.5]  # 6 and 2 over their mean of 4
    assert mean_one(weights, mask=torch.zeros(4, dtype=torch.bool)).isfinite().all()
    with pytest.raises(ValueError, match=r"weights is \(4,\), mask is \(5,\)"):
        mean_one(weights, mask=torch.arange(5) < 3)


def test_the_mean_is_that_of_all_processes_though_their_masks_differ():
    weights, mask = torch.tensor([6.0, 2.0, 1.0, 9.0]), torch.tensor([True, True, True, False])
    barrier, parts = threading.Barrier(2, timeout=30), [torch.empty(0)] * 2

    def process(rank):
        def gather(values):
            barrier.wait()
            parts[rank] = values
            barrier.wait()
            return torch.cat(parts)

        own = slice(2 * rank, 2 * rank + 2)
        return mean_one(weights[own], mask=mask[own], gather=gather)

    with ThreadPoolExecutor(2) as pool:
        got = torch.cat(list(pool.map(process, range(2))))
    torch.testing.assert_close(got[mask], torch.tensor([2.0, 2 / 3, 1 / 3]))  # over 3, the mean of 6, 2 and 1


VALUES = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])  # a row a process
MASKS = {
    "unequal": np.array([[True, False, False], [True, True, True]]),
    "one process has none": np.array([[False, False, False], [True, False, True]]),
    "nobody has any": np.zeros((2, 3), bool),
}


def _part(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    found = {}
    for name, masks in MASKS.items():
        values, mask = torch.tensor(VALUES[rank], requires_grad=True), torch.tensor(masks[rank])
        mean = masked_mean(values, mask, gather=all_gather)
        mean.backward()
        scaled = mean_one(values.detach(), mask=mask, gather=all_gather)
        found[name] = {"mean": mean.detach(), "grad": values.grad, "scaled": scaled}
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.distributed
def test_two_processes_with_unequal_masks_mean_what_numpy_does_over_all_images(tmp_path, copies):
    """Processes average results and gradients, as DistributedDataParallel does; images without a mask count nowhere."""
    copies.part(_part, 2, str(tmp_path))
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, masks in MASKS.items():
        mean, grad, scaled = (np.stack([part[name][key] for part in parts]) for key in ("mean", "grad", "scaled"))
        count, expected = masks.sum(), VALUES[masks].mean() if masks.any() else 0.0
        assert mean.mean() == pytest.approx(expected)
        np.testing.assert_allclose(grad / 2, masks / max(count, 1))
        np.testing.assert_allclose(scaled, VALUES / (expected or 1.0))
