import os
from pathlib import Path

import pytest
import torch
from torch import distributed

from modelheir.losses import all_gather, first_row


def test_one_process_gets_its_own_values_back(draw):
    values = draw(3, 2)
    assert all_gather(values) is values
    assert first_row(3) == 0


def _part(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    own = torch.tensor([[1.0 + 10 * rank, 2.0 + 10 * rank]], requires_grad=True)
    whole = all_gather(own)
    coefficients = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) * (rank + 1)  # each process has its own loss
    (whole * coefficients).sum().backward()
    labels = all_gather(torch.tensor([rank]))
    saved = {"whole": whole.detach(), "grad": own.grad, "labels": labels, "first": torch.tensor(first_row(1))}
    torch.save(saved, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.distributed
def test_two_processes_share_values_and_add_up_gradients(tmp_path: Path, copies):
    copies.part(_part, 2, str(tmp_path))
    for rank in range(2):
        part = torch.load(tmp_path / f"{rank}.pt")
        assert part["whole"].tolist() == [[1.0, 2.0], [11.0, 12.0]]
        assert part["labels"].tolist() == [0, 1]
        assert part["first"].item() == rank
        own = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[rank : rank + 1]
        torch.testing.assert_close(part["grad"], own * 1 + own * 2)
