r"""Logit bank: each image's past logits of the model itself, as a target that lags behind.

.. math:: o_n^{(v)} = \mu\, \tfrac{1}{L} \sum_{l=1}^{L} h_{n,l} + (1 - \mu)\, z_n^{(v)}

On visit ``v`` of image ``n``, ``h`` are the ``L`` entries before it, oldest dropped first; the entries of the first
``L`` visits are the logits themselves. The target of a visit is the entry blended on the visit before, so an image
has a target after ``L + 1`` visits and weight 0 until then. Temporal ensembling: Laine and Aila, 2017,
arXiv:1610.02242; the fixed-length queue is from the earlier public code of positive-congruent training, which used
its slots for one epoch before they were filled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["BankTargets", "LogitBank"]


class BankTargets(NamedTuple):
    """What the bank holds for a batch."""

    logits: Tensor  #: ``(N, C)``; zeros where the bank is not yet full
    weights: Tensor  #: ``(N,)``: 1 where the target is ready, else 0


class LogitBank:
    """A queue of ``length + 1`` logits for each of ``samples`` images.

    It needs ``samples * (length + 1) * classes`` numbers, on ``device``; batches may live on another one. With
    several processes, give :meth:`update` the gathered rows and logits, so that all banks stay equal.

    Args:
        samples: Images, rows of the stream, ``>= 1``.
        classes: Width of the logits, ``>= 1``.
        length: ``L``, entries averaged, ``>= 1``.
        momentum: ``mu``, share of the past in an entry, 0 to 1.
        device: Where the bank is kept.
        dtype: Floating type of the bank.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> bank = LogitBank(samples=1, classes=1, length=1, momentum=0.5)
        >>> row = torch.tensor([0])
        >>> for visit in (1.0, 3.0):
        ...     bank.update(row, torch.tensor([[visit]]))
        >>> bank.targets(row)  # half of 1 and half of 3
        BankTargets(logits=tensor([[2.]]), weights=tensor([1.]))
    """

    def __init__(
        self,
        samples: int,
        classes: int,
        *,
        length: int = 4,
        momentum: float = 0.2,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        checks.at_least(1, samples=samples, classes=classes, length=length)
        checks.in_range(0, 1, momentum=momentum)
        self.length, self.momentum = length, momentum
        self.entries = torch.zeros(samples, length + 1, classes, device=device, dtype=dtype)  #: oldest first
        self.visits = torch.zeros(samples, device=device, dtype=torch.int64)

    def targets(self, index: Tensor) -> BankTargets:
        """Return the newest entry of each row of ``index`` ``(N,)``, and whether it may be used."""
        rows = index.to(self.visits.device)
        ready = self.visits[rows] > self.length
        logits = self.entries[rows, -1] * ready[:, None]
        return BankTargets(logits.float().to(index.device), ready.float().to(index.device))

    @torch.no_grad()
    def update(self, index: Tensor, logits: Tensor) -> None:
        """Add one visit: ``logits`` ``(N, C)`` of the rows ``index`` ``(N,)``, each row once."""
        checks.same_length(index=index, logits=logits)
        rows = index.to(self.visits.device)
        logits = logits.detach().to(device=self.entries.device, dtype=torch.float32)
        visits = self.visits[rows]
        queue = torch.cat([self.entries[rows, 1:].float(), logits[:, None]], dim=1)
        blend = self.momentum * queue[:, :-1].mean(dim=1) + (1 - self.momentum) * logits
        newest = torch.where((visits >= self.length)[:, None], blend, logits)
        queue[:, -1] = newest
        self.entries[rows] = queue.to(self.entries.dtype)
        self.visits[rows] = visits + 1

    def state_dict(self) -> dict[str, Tensor]:
        """Return the queue and the visits."""
        return {"entries": self.entries, "visits": self.visits}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take both back; they must come from a bank of the same size."""
        checks.same_shape(saved_entries=state["entries"], entries=self.entries)
        self.entries.copy_(state["entries"])
        self.visits.copy_(state["visits"])
