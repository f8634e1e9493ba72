r"""A lower threshold for classes that are learnt late: FlexMatch.

.. math:: T_c = \tau \frac{\beta_c}{2 - \beta_c}, \qquad \beta_c = \frac{\sigma_c}{\max_k \sigma_k}

``sigma_c`` counts the samples whose last sure prediction (:math:`\max p \ge \tau`) was class ``c``. In the warm-up
the maximum is also over the count of samples that were never sure, so that all thresholds begin at 0 and rise. Zhang
et al., "FlexMatch: Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling", 2021, arXiv:2110.08263, eq. 5,
6, 11 and its mapping ``x / (2 - x)``. As there, a batch is judged by the counts before it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["FlexMatch"]


class FlexMatch:
    """Remembers each sample's last sure class, an integer a sample.

    Args:
        samples: Rows of the stream without labels, ``>= 1``.
        classes: ``C``, ``>= 1``.
        confidence: ``tau``, 0 to 1.
        warm_up: Count samples that were never sure.
        device: Where batches live.

    Example:
        >>> flex = FlexMatch(samples=2, classes=2, confidence=0.9, warm_up=False)
        >>> sure = torch.tensor([[0.95, 0.05], [0.4, 0.6]])
        >>> flex.weights(sure, torch.tensor([0, 1])), flex.thresholds()  # the second class was never sure
        (tensor([1., 1.]), tensor([0.9000, 0.0000]))
    """

    def __init__(
        self,
        samples: int,
        classes: int,
        *,
        confidence: float = 0.95,
        warm_up: bool = True,
        device: torch.device | str | None = None,
    ) -> None:
        checks.at_least(1, samples=samples, classes=classes)
        checks.in_range(0, 1, confidence=confidence)
        self.confidence, self.warm_up = confidence, warm_up
        self.last_sure = torch.full((samples,), classes, dtype=torch.int64, device=device)  #: ``C``: never sure
        self.counts = torch.zeros(classes + 1, device=device)  #: of each value in ``last_sure``
        self.counts[-1] = samples

    def thresholds(self) -> Tensor:
        """Return each class's lowest probability that counts now, ``(C,)``."""
        counted = self.counts if self.warm_up else self.counts[:-1]
        share = self.counts[:-1] / counted.amax().clamp_min(1)
        return self.confidence * share / (2 - share)

    @torch.no_grad()
    def weights(self, probabilities: Tensor, index: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Weigh predictions by the counts so far, then count them.

        Args:
            probabilities: ``(B, C)``.
            index: The samples' rows, int64 ``(B,)``, each once.
            gather: Over processes, so that all count alike.

        Returns:
            1 or 0, ``(B,)``.
        """
        checks.two_dimensional(probabilities=probabilities)
        checks.same_length(probabilities=probabilities, index=index)
        checks.same_length(counts=self.counts[:-1], classes=probabilities.T)
        probabilities = full_precision(probabilities)
        most, labels = probabilities.max(dim=1)
        found = (most >= self.thresholds()[labels]).to(most.dtype)
        self._count(*(part if gather is None else gather(part) for part in (probabilities, index)))
        return found

    def _count(self, probabilities: Tensor, rows: Tensor) -> None:
        most, labels = probabilities.max(dim=1)
        before = self.last_sure[rows]
        after = torch.where(most >= self.confidence, labels, before)
        one = torch.ones_like(before, dtype=self.counts.dtype)
        self.counts.index_add_(0, before, one, alpha=-1).index_add_(0, after, one)
        self.last_sure[rows] = after

    def state_dict(self) -> dict[str, Tensor]:
        """Return each sample's last sure class."""
        return {"last_sure": self.last_sure}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back, and count."""
        checks.same_shape(saved=state["last_sure"], last_sure=self.last_sure)
        self.last_sure.copy_(state["last_sure"])
        self.counts.copy_(torch.bincount(self.last_sure, minlength=len(self.counts)))
