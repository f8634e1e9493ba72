r"""Distribution alignment: predictions as a whole are moved towards the class shares that are known.

.. math:: p'_{nc} \propto p_{nc} \frac{\pi_c + \epsilon}{\bar p_c + \epsilon}, \qquad
          \bar p \leftarrow m \bar p + (1 - m)\, \overline{p_n}

with :math:`\epsilon = 10^{-6}`; the first batch's mean begins: Berthelot et al., "ReMixMatch", 2020, arXiv:1911.09785,
section 3.1, there with a mean over the last 128 batches, here with the running mean of later work (m = 0.999).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["DistributionAlignment"]

_LEAST = 1e-6


class DistributionAlignment:
    """Keeps the running mean of predictions.

    Args:
        shares: ``pi``, ``(C,)``, ``>= 0`` with sum 1; all equal for a uniform target.
        momentum: ``m``, 0 to 1.
        device: Where batches live; ``None``: where the shares are.

    Raises:
        ValueError: If the shares are no distribution, or the momentum is out of range.

    Example:
        >>> align = DistributionAlignment(torch.tensor([0.5, 0.5]))
        >>> align(torch.tensor([[0.8, 0.2], [0.6, 0.4]]))  # 0.7 and 0.3 are the means
        tensor([[0.6316, 0.3684],
                [0.3913, 0.6087]])
    """

    def __init__(self, shares: Tensor, *, momentum: float = 0.999, device: torch.device | str | None = None) -> None:
        checks.in_range(0, 1, momentum=momentum)
        if shares.ndim != 1 or not len(shares) or bool((shares < 0).any()) or abs(float(shares.sum()) - 1) > 1e-4:
            raise ValueError(f"shares must be a distribution over the classes, >= 0 with sum 1, got {shares.tolist()}")
        self.momentum, self.shares = momentum, full_precision(shares.detach()).to(device)
        self.mean = torch.zeros_like(self.shares)
        self.batches = torch.zeros((), dtype=torch.int64, device=self.shares.device)

    @torch.no_grad()
    def __call__(self, probabilities: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Count predictions ``(B, C)`` of all processes (``gather``) and return this one's aligned; rows sum to 1."""
        checks.two_dimensional(probabilities=probabilities)
        checks.same_length(shares=self.shares, classes=probabilities.T)
        probabilities = full_precision(probabilities)
        every = (probabilities if gather is None else gather(probabilities)).to(self.mean.dtype)
        if len(every):
            share = 1 - self.momentum * (self.batches > 0).to(self.mean.dtype)
            self.mean.add_(share * (every.mean(dim=0) - self.mean))
            self.batches += 1
        moved = probabilities * ((self.shares + _LEAST) / (self.mean + _LEAST)).to(probabilities.dtype)
        return moved / moved.sum(dim=1, keepdim=True)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the running mean, and how many batches it is of."""
        return {"mean": self.mean, "batches": self.batches}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take both back."""
        checks.same_shape(saved=state["mean"], mean=self.mean)
        self.mean.copy_(state["mean"])
        self.batches.copy_(state["batches"])
