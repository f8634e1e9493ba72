"""Rows of weights that are read a block of columns at a time, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.subspace.layout import Layout

__all__ = ["Rows", "StackedRows", "blocks"]

_NUMBERS = 2**21  #: of one block, over all rows: 8 MB in float32


class Rows(Protocol):
    """``N`` vectors of ``M`` weights, finite; what bases are made of."""

    @property
    def layout(self) -> Layout:
        """Which column belongs to which parameter."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the blocks: float32 or float64."""
        ...

    @property
    def rounding(self) -> float:
        """Largest relative error of a stored number, ``2**-24`` in float32."""
        ...

    @property
    def digests(self) -> tuple[str, ...]:
        """What identifies the content of each row."""
        ...

    def __len__(self) -> int:
        """Return ``N``."""
        ...

    def block(self, start: int, stop: int) -> np.ndarray:
        """Return columns ``start`` to ``stop``, ``(N, stop - start)``; a new array."""
        ...


def blocks(rows: Rows, within: range | None = None, *, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(start, block)`` over columns in order.

    Args:
        rows: Of ``M`` columns.
        within: The columns, step 1; all by default.
        size: Columns of a block, ``>= 1``; by default so many that a block of all rows has about two million numbers.
    """
    within = range(rows.layout.width) if within is None else within
    size = max(_NUMBERS // len(rows), 1) if size is None else size
    checks.at_least(1, size=size)
    for start in range(within.start, within.stop, size):
        yield start, rows.block(start, min(start + size, within.stop))


class StackedRows:
    """Rows in memory.

    Args:
        values: ``(N, M)``, float32 or float64.
        layout: Of the columns; one parameter ``weights`` by default.

    Raises:
        InputError: If a number is not finite.
        ValueError: If there are no rows, or the layout has other columns.
    """

    def __init__(self, values: np.ndarray, layout: Layout | None = None) -> None:
        checks.two_dimensional(values=values)
        self.layout = layout or Layout(("weights",), ((values.shape[1],),))
        if self.layout.width != values.shape[1] or not len(values):
            raise ValueError(f"values must have rows, and {self.layout.width} columns, got shape {values.shape}")
        self._values = np.asarray(values, np.float64 if values.dtype == np.float64 else np.float32)
        bad = np.flatnonzero(~np.isfinite(self._values).all(axis=1))
        if len(bad):
            raise InputError(f"row {bad[0]} of {len(values)} holds weights that are not finite: leave it out.")

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return self._values.dtype

    @property
    def rounding(self) -> float:
        """Of the values' type."""
        return float(np.finfo(self.dtype).eps) / 2

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each row."""
        return tuple(hashlib.sha256(np.ascontiguousarray(row).data).hexdigest() for row in self._values)

    def __len__(self) -> int:
        return len(self._values)

    def block(self, start: int, stop: int) -> np.ndarray:
        """Return columns ``start`` to ``stop``."""
        return self._values[:, start:stop].copy()
