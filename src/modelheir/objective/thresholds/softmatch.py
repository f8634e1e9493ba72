r"""No threshold but a weight that falls below the mean confidence: SoftMatch.

.. math:: w_n = \exp\Big(-\frac{n^2 \min(q_n - \mu, 0)^2}{2 \sigma^2}\Big), \qquad q_n = \max_c p_{nc}

with running means of the batch's mean and variance of ``q`` (the variance that divides by ``B - 1``), 1 / C and 1 in
the beginning: Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off in Semi-supervised Learning", 2023,
arXiv:2301.10921, eq. 5 to 7, with ``n = 2`` as in its public code. A batch is weighed after it was counted. With
alignment, labels are taken from the aligned probabilities too, where the paper takes only the weights from them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["SoftMatch"]


class SoftMatch:
    """Keeps the running mean and variance of the confidence.

    Args:
        classes: ``C``, ``>= 1``.
        momentum: Share of the past, 0 to 1.
        spread: ``n``, ``> 0``.
        device: Where batches live.

    Example:
        >>> soft = SoftMatch(classes=2, momentum=0.0)
        >>> soft.weights(torch.tensor([[0.9, 0.1], [0.7, 0.3]]), torch.tensor([0, 1]))  # exp(-4 * 0.01 / 0.04)
        tensor([1.0000, 0.3679])
    """

    def __init__(
        self,
        classes: int,
        *,
        momentum: float = 0.999,
        spread: float = 2.0,
        device: torch.device | str | None = None,
    ) -> None:
        checks.at_least(1, classes=classes)
        checks.in_range(0, 1, momentum=momentum)
        checks.above(0, spread=spread)
        self.momentum, self.spread = momentum, spread
        self.mean = torch.full((), 1 / classes, device=device)
        self.variance = torch.ones((), device=device)

    @torch.no_grad()
    def weights(self, probabilities: Tensor, index: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Count predictions ``(B, C)`` of all processes (``gather``) and weigh this one's, 0 to 1, ``(B,)``.

        ``index`` has no part. A batch of one has no variance and moves the mean alone.
        """
        checks.two_dimensional(probabilities=probabilities)
        most = full_precision(probabilities).amax(dim=1)
        every = (most if gather is None else gather(most)).to(self.mean.dtype)
        if len(every):
            self.mean.lerp_(every.mean(), 1 - self.momentum)
        if len(every) > 1:
            self.variance.lerp_(every.var(), 1 - self.momentum)
        below = (most - self.mean).clamp_max(0)
        least = torch.finfo(self.variance.dtype).tiny  # all equal: who is below the mean has weight 0
        return torch.exp(-(self.spread**2) * below.square() / (2 * self.variance.clamp_min(least)))

    def state_dict(self) -> dict[str, Tensor]:
        """Return mean and variance."""
        return {"mean": self.mean, "variance": self.variance}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.mean.copy_(state["mean"])
        self.variance.copy_(state["variance"])
