"""Sums of what the steps of an epoch logged, and which losses were not finite; read back only when asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from modelheir.inference.runtime import Runtime
from modelheir.types import LossTerms

__all__ = ["Tally"]


class Tally:
    """Values of the steps since the epoch began, kept on the device.

    Adding a step is a handful of small kernels and never waits for them, so a GPU stays busy.

    Args:
        runtime: This process and its peers.
        length: Optimiser steps in an epoch.
    """

    def __init__(self, runtime: Runtime, length: int) -> None:
        self.runtime = runtime
        self.rows: dict[tuple[str, ...], Tensor] = {}  #: names of values -> their sums, one row for each set of names
        self.losses = torch.zeros(length, device=runtime.device)  #: loss of each step of the epoch so far
        self._position = torch.zeros(1, dtype=torch.int64, device=runtime.device)

    def begin(self, position: int) -> None:
        """Enter step ``position`` of the epoch, from 0."""
        self._position.fill_(position)

    @torch.no_grad()
    def add(self, found: LossTerms, total: Tensor, share: float = 1.0) -> None:
        """Add the terms of the present step; ``share`` is the micro-batch's part of it."""
        values = {f"loss/{name}": value for name, value in found.terms.items()} | dict(found.observed)
        values["loss"] = total
        names = tuple(values)
        row = torch.stack([value.detach().to(self.losses.device, torch.float32) for value in values.values()])
        if names in self.rows:
            self.rows[names].add_(row, alpha=share)
        else:
            self.rows[names] = row * share
        self.losses.index_add_(0, self._position, row[-1:], alpha=share)

    def bad_step(self, first: int = 0, last: int | None = None) -> int | None:
        """Return the first step of the epoch whose loss was not finite on any process; the same on all of them."""
        losses = self.losses[first:last].clone()
        self.runtime.average_([losses])
        bad = (~losses.isfinite()).nonzero()
        return first + int(bad[0]) if len(bad) else None

    def is_bad(self, position: int) -> bool:
        """Tell whether this process's own loss of a step was not finite."""
        return not bool(self.losses[position].isfinite())

    def means(self, steps: int) -> dict[str, float]:
        """Return the mean of every value over ``steps`` steps and all processes, and start anew."""
        sums: dict[str, Tensor] = {}
        for names, row in self.rows.items():
            for name, value in zip(names, row, strict=True):
                sums[name] = sums[name] + value if name in sums else value
        names = sorted(sums)
        values = torch.stack([sums[name] for name in names]) / steps
        self.runtime.average_([values])
        self.rows = {}
        self.losses.zero_()
        return dict(zip(names, values.tolist(), strict=True))

    def share_(self) -> None:
        """Give every process the mean sums. The means of the epoch stay what they are, since they are linear."""
        self.runtime.average_([*self.rows.values(), self.losses])

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs."""
        return {"rows": [[list(names), row] for names, row in self.rows.items()], "losses": self.losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.rows = {tuple(names): row.to(self.losses.device) for names, row in state["rows"]}
        self.losses.copy_(state["losses"])
