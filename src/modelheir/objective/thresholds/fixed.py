r"""One threshold for all: a prediction counts where its likeliest class has at least a given probability.

.. math:: w_n = 1[\max_c p_{nc} \ge \tau]

Sohn et al., "FixMatch", 2020, arXiv:2001.07685, eq. 4. It keeps no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["FixedThreshold"]


class FixedThreshold:
    """Weighs a prediction 1 or 0.

    Args:
        confidence: ``tau``, 0 to 1; 0 lets every prediction count.

    Example:
        >>> FixedThreshold(0.9).weights(torch.tensor([[0.95, 0.05], [0.5, 0.5]]), torch.tensor([0, 1]))
        tensor([1., 0.])
    """

    def __init__(self, confidence: float = 0.95) -> None:
        checks.in_range(0, 1, confidence=confidence)
        self.confidence = confidence

    @torch.no_grad()
    def weights(self, probabilities: Tensor, index: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Return ``(B,)`` for probabilities ``(B, C)``; ``index`` and ``gather`` have no part."""
        checks.two_dimensional(probabilities=probabilities)
        most = full_precision(probabilities).amax(dim=1)
        return (most >= self.confidence).to(most.dtype)

    def state_dict(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> Any:
        """Take nothing back."""
