from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

Draw = Callable[..., Tensor]


@pytest.fixture
def draw() -> Draw:
    """Return a function that draws standard normal tensors, the same in every run."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
        return (torch.randn(*shape, generator=generator) * scale).to(dtype)

    return normal


@pytest.fixture
def log_softmax() -> Callable[[np.ndarray], np.ndarray]:
    """Return NumPy's log-softmax of rows, in float64."""

    def rows(logits: np.ndarray) -> np.ndarray:
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    return rows
