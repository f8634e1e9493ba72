import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from modelheir.losses import masked_mean, mean_one


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
