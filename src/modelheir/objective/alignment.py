r"""Distribution alignment: predictions as a whole are moved towards the class shares that are known.

.. math:: p'_{nc} \propto p_{nc} \frac{\pi_c + \epsilon}{\bar p_c + \epsilon}, \qquad
          \bar p = \frac{\sum_{s \le t} m^{t - s}\, \overline{p_n}^{(s)}}{\sum_{s \le t} m^{t - s}}

with :math:`\epsilon = 10^{-6}`, over batches :math:`s`: Berthelot et al., "ReMixMatch", 2020, arXiv:1911.09785, section
3.1, there with a mean over the last 128 batches, here with the running mean of later work (m = 0.999), which counts all
batches alike at first (:mod:`modelheir.objective.running_mean`). In logits it adds one number a class, so that what is
drawn, sharpened or differentiated afterwards is all of the aligned probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision
from modelheir.objective.running_mean import RunningMean

__all__ = ["DistributionAlignment"]

_LEAST = 1e-6


class DistributionAlignment:
    """Keeps the running mean of what one model predicts, or each of several; a state.

    Args:
        shares: ``pi``, ``(C,)``, ``>= 0`` with sum 1; all equal for a uniform target.
        models: How many predict, ``V``.
        momentum: ``m``, 0 to 1.
        device: Where batches live; ``None``: where the shares are.

    Raises:
        ValueError: If the shares are no distribution, or the momentum is out of range.

    Example:
        >>> align = DistributionAlignment(torch.tensor([0.5, 0.5]))
        >>> align(torch.tensor([[0.8, 0.2], [0.6, 0.4]]))  # 0.7 and 0.3 are the means
        tensor([[0.6316, 0.3684],
                [0.3913, 0.6087]])
        >>> align.shift().round(decimals=4)  # log(0.5 / 0.7), log(0.5 / 0.3)
        tensor([[-0.3365,  0.5108]])
    """

    def __init__(
        self, shares: Tensor, *, models: int = 1, momentum: float = 0.999, device: torch.device | str | None = None
    ) -> None:
        checks.in_range(0, 1, momentum=momentum)
        checks.at_least(1, models=models)
        if shares.ndim != 1 or not len(shares) or bool((shares < 0).any()) or abs(float(shares.sum()) - 1) > 1e-4:
            raise ValueError(f"shares must be a distribution over the classes, >= 0 with sum 1, got {shares.tolist()}")
        self.shares = full_precision(shares.detach()).to(device)
        self.mean = RunningMean(self.shares.expand(models, -1).clone(), decay=momentum)

    @torch.no_grad()
    def __call__(self, probabilities: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Count predictions ``(B, C)`` of all processes (``gather``) and return this one's aligned; rows sum to 1.

        Of a single model.
        """
        checks.two_dimensional(probabilities=probabilities)
        checks.same_length(shares=self.shares, classes=probabilities.T)
        probabilities = full_precision(probabilities)
        every = probabilities if gather is None else gather(probabilities)
        if len(every):
            self.add(every.to(self.shares.dtype).mean(dim=0, keepdim=True))
        (ratio,) = self._ratios()
        moved = probabilities * ratio.to(probabilities.dtype)
        return moved / moved.sum(dim=1, keepdim=True)

    def add(self, means: Tensor) -> None:
        """Take each model's mean probabilities over a batch of all processes, ``(V, C)``."""
        self.mean.add(means)

    def shift(self) -> Tensor:
        """Return what is added to the models' logits, ``(V, C)``; 0 before anything was seen."""
        return self._ratios().log()

    def _ratios(self) -> Tensor:
        mean = self.mean.value
        return (self.shares.to(mean) + _LEAST) / (mean + _LEAST)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the running mean."""
        return self.mean.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self.mean.load_state_dict(state)
