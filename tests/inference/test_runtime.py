"""This process among its peers: devices, and means that keep every bit. Two processes: test_processes.py."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.inference.runtime import Runtime


def test_unknown_and_absent_devices():
    with pytest.raises(InputError, match="device = 'gpu': must be auto, cpu, cuda"):
        Runtime("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device = 'cuda'"):
            Runtime("cuda")


def test_equal_statistics_keep_every_bit_when_averaged_over_three(monkeypatch):
    """A sum of three equal float32 numbers, divided by three, is often the next number."""
    runtime = Runtime("cpu")
    runtime.world = 3
    monkeypatch.setattr("torch.distributed.all_reduce", lambda flat: flat.copy_(flat + flat + flat))
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    rough, exact = values.clone(), values.clone()
    runtime.average_([rough])
    runtime.average_([exact], exact=True)
    assert not torch.equal(rough, values)
    assert torch.equal(exact, values)
