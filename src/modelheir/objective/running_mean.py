r"""A running mean that counts from its first value on, whatever its decay.

.. math:: m_t = \frac{\sum_{s \le t} d^{t - s} x_s}{\sum_{s \le t} d^{t - s}}

The division is Adam's correction of the start (Kingma and Ba, 2015, arXiv:1412.6980, section 3): after one value the
mean is that value, and neither 0 nor a guess fades from it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["RunningMean"]


class RunningMean:
    """The mean of what was seen; a state. It begins on the device of ``start`` and stays on that of the values.

    Args:
        start: What it is before the first value; its shape is that of the values.
        decay: Of an earlier value with each later one, 0 to 1; 1 is the plain mean of all.

    Example:
        >>> running = RunningMean(torch.zeros(1), decay=0.5)
        >>> running.add(torch.tensor([3.0]))
        >>> running.add(torch.tensor([0.0]))
        >>> running.value  # (0.5 * 3 + 0) / (0.5 + 1)
        tensor([1.])
    """

    def __init__(self, start: Tensor, *, decay: float) -> None:
        checks.in_range(0, 1, decay=decay)
        self.decay, self._start = decay, start
        self._total, self._weight = torch.zeros_like(start), torch.zeros((), device=start.device)

    @property
    def value(self) -> Tensor:
        """The mean; before the first value, ``start``."""
        mean = self._total / self._weight.clamp_min(1e-12)
        return torch.where(self._weight > 0, mean, self._start.to(mean))

    @torch.no_grad()
    def add(self, values: Tensor) -> None:
        """Take the next value; one that is not finite is left out, element by element."""
        checks.same_shape(values=values, start=self._start)
        total, weight = self._total.to(values), self._weight.to(values)
        found = torch.where(values.isfinite(), values.detach(), self.value.to(values))
        self._total, self._weight = self.decay * total + found, self.decay * weight + 1

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sums."""
        return {"total": self._total, "weight": self._weight}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        checks.same_shape(saved=state["total"], start=self._start)
        self._total, self._weight = state["total"].clone(), state["weight"].clone()
