r"""Thresholds that follow the model's own confidence, as a whole and class by class: FreeMatch.

.. math:: T_c = \frac{\tilde p_c}{\max_k \tilde p_k}\, \tau, \qquad
          \tau \leftarrow m \tau + (1 - m)\, \overline{\max_c p_{nc}}, \quad
          \tilde p_c \leftarrow m \tilde p_c + (1 - m)\, \overline{p_{nc}}

with all of them ``1 / C`` in the beginning and means over the batch: Wang et al., "FreeMatch: Self-adaptive
Thresholding for Semi-supervised Learning", 2023, arXiv:2205.07246, eq. 5 to 8. A batch is judged after it was counted.
The paper's class fairness loss is left out, as is the cap that its public code puts on ``tau`` for some data.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["FreeMatch"]


class FreeMatch:
    """Keeps running means of the confidence and of each class's probability.

    Args:
        classes: ``C``, ``>= 1``.
        momentum: ``m``, 0 to 1.
        device: Where batches live.

    Example:
        >>> free = FreeMatch(classes=2, momentum=0.0)
        >>> free.weights(torch.tensor([[0.9, 0.1], [0.7, 0.3]]), torch.tensor([0, 1])), free.thresholds()
        (tensor([1., 0.]), tensor([0.8000, 0.2000]))
    """

    def __init__(self, classes: int, *, momentum: float = 0.999, device: torch.device | str | None = None) -> None:
        checks.at_least(1, classes=classes)
        checks.in_range(0, 1, momentum=momentum)
        self.momentum = momentum
        self.level = torch.full((), 1 / classes, device=device)  #: ``tau``
        self.shares = torch.full((classes,), 1 / classes, device=device)  #: of each class

    def thresholds(self) -> Tensor:
        """Return each class's lowest probability that counts now, ``(C,)``."""
        return self.level * (self.shares / self.shares.amax())

    @torch.no_grad()
    def weights(self, probabilities: Tensor, index: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Count predictions ``(B, C)`` of all processes (``gather``) and weigh this one's, 1 or 0, ``(B,)``.

        ``index`` has no part.
        """
        checks.two_dimensional(probabilities=probabilities)
        checks.same_length(shares=self.shares, classes=probabilities.T)
        probabilities = full_precision(probabilities)
        every = (probabilities if gather is None else gather(probabilities)).to(self.shares.dtype)
        if len(every):
            self.level.lerp_(every.amax(dim=1).mean(), 1 - self.momentum)
            self.shares.lerp_(every.mean(dim=0), 1 - self.momentum)
        most, labels = probabilities.max(dim=1)
        return (most >= self.thresholds()[labels]).to(most.dtype)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the running means."""
        return {"level": self.level, "shares": self.shares}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        checks.same_shape(saved=state["shares"], shares=self.shares)
        self.level.copy_(state["level"])
        self.shares.copy_(state["shares"])
