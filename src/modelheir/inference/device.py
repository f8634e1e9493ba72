"""Settings of CUDA that trade digits or repeatability for speed, for the time of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["cuda_settings", "settings_in_force"]


@contextlib.contextmanager
def cuda_settings(device: torch.device, *, tf32: bool | None, cudnn_benchmark: bool) -> Iterator[None]:
    """Set what ``fit`` says about a CUDA device, and give it back in the end; on other devices do nothing.

    Args:
        device: Of the run.
        tf32: Round the factors of float32 matrix products and convolutions to 10 bits; ``None`` leaves torch's choice.
        cudnn_benchmark: Time the convolution algorithms for each shape and take the fastest.
    """
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    try:
        if tf32 is not None:
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            cudnn.allow_tf32 = tf32
        cudnn.benchmark = cudnn_benchmark
        yield
    finally:
        if tf32 is not None:
            torch.set_float32_matmul_precision(before[0])
            cudnn.allow_tf32 = before[1]
        cudnn.benchmark = before[2]


def settings_in_force(device: torch.device) -> dict[str, Any]:
    """Return what holds now for float32 on a CUDA device, for ``environment.json``; empty for other devices.

    >>> settings_in_force(torch.device("cpu"))
    {}
    """
    if device.type != "cuda":
        return {}
    return {
        "tf32_matrix_products": torch.get_float32_matmul_precision() != "highest",
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
    }
