r"""Importance of weights from the gradients of the training that goes on, one epoch behind.

.. math:: F_j = \frac{1}{N} \sum_b \Big(\frac{\partial L_b}{\partial \theta_j}\Big)^2

over the batches of the epoch before, with the whole loss of each and ``N`` images seen; 1 in the first epoch. Meant,
though not working as published, for the change between consecutive copies of a joint model in Ji et al.,
"Seq-to-Final", 2024, arXiv:2407.09642. It squares sums over a batch, so it grows with the batch; for the information of
single images see :mod:`modelheir.models.blends.fisher`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["RunningFisher"]


class RunningFisher:
    """Collects squared gradients during an epoch, and offers those of the epoch before.

    Example:
        >>> running = RunningFisher({"w": torch.zeros(2)})
        >>> running.observe({"w": torch.tensor([2.0, 4.0])}, images=2)
        >>> running.importance["w"]
        tensor([1., 1.])
        >>> running.end_epoch()
        >>> running.importance["w"]
        tensor([2., 8.])
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.importance = {name: torch.ones_like(value.detach()) for name, value in parameters.items()}
        self._begin()

    def _begin(self) -> None:
        self._sums = {name: torch.zeros_like(value) for name, value in self.importance.items()}
        self._images = 0

    def observe(self, gradients: Mapping[str, Tensor], *, images: int) -> None:
        """Take the gradients of a batch of ``images`` images.

        Raises:
            ValueError: If a parameter has no gradient here, or one of another shape.
        """
        checks.at_least(1, images=images)
        for name, total in self._sums.items():
            if name not in gradients:
                raise ValueError(f"parameter {name} has no gradient")
            checks.same_shape(**{f"parameter {name}": total, "gradient": gradients[name]})
            total += gradients[name].detach().square()
        self._images += images

    def end_epoch(self) -> None:
        """Take over what was collected and begin anew; an epoch without a batch changes nothing."""
        if self._images:
            self.importance = {name: total / self._images for name, total in self._sums.items()}
            self._begin()

    def state_dict(self) -> dict[str, Tensor]:
        """Return what was collected, and what is offered."""
        every = {"importance": self.importance, "sum": self._sums}
        found = {f"{kind}.{name}": value for kind, values in every.items() for name, value in values.items()}
        return {**found, "images": torch.tensor(self._images)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        for kind, values in (("importance", self.importance), ("sum", self._sums)):
            values |= {name: state[f"{kind}.{name}"].to(value, copy=True) for name, value in values.items()}
        self._images = int(state["images"])
