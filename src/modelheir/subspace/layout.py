"""Where each parameter lies in a vector of all weights: names, shapes and columns, in one order."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["Layout"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Parameters side by side, each flattened row by row; ``M`` numbers in all.

    Example:
        >>> layout = Layout(("weight", "bias"), ((2, 3), (2,)))
        >>> layout.width, layout.columns("bias")
        (8, slice(6, 8, None))
    """

    names: tuple[str, ...]  #: of the parameters, unique, in the order of the columns
    shapes: tuple[tuple[int, ...], ...]  #: of the parameters

    def __post_init__(self) -> None:
        if len(self.names) != len(self.shapes) or len(set(self.names)) != len(self.names):
            raise ValueError("names must be unique, and as many as shapes")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def starts(self) -> tuple[int, ...]:
        """First column of each parameter, and ``M`` at the end."""
        return (0, *itertools.accumulate(self.sizes))

    @property
    def width(self) -> int:
        """Columns ``M``."""
        return sum(self.sizes)

    def columns(self, name: str) -> slice:
        """Return the columns of one parameter.

        Raises:
            ValueError: If there is none of that name.
        """
        place = self.names.index(name)
        return slice(self.starts[place], self.starts[place + 1])

    def split(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the parameters of ``rows``, ``(..., M)``, each ``(..., *shape)``; views, where NumPy can.

        Raises:
            ValueError: If the last dimension is not ``M``.
        """
        if rows.shape[-1:] != (self.width,):
            raise ValueError(f"rows must have {self.width} columns, got shape {rows.shape}")
        starts, before = self.starts, rows.shape[:-1]
        return {
            name: rows[..., starts[i] : starts[i + 1]].reshape(*before, *shape)
            for i, (name, shape) in enumerate(zip(self.names, self.shapes, strict=True))
        }

    def join(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the row, ``(M,)``, of parameters by name; what else is among them is left aside.

        Raises:
            ValueError: If one is missing or has another shape.
        """
        for name, shape in zip(self.names, self.shapes, strict=True):
            if name not in values or tuple(values[name].shape) != shape:
                raise ValueError(f"{name} must be there, of shape {shape}")
        return np.concatenate([np.asarray(values[name]).reshape(-1) for name in self.names])

    def digest(self, rows: Sequence[str]) -> str:
        """Return the SHA-256 of names, shapes and what identifies each row."""
        return hashlib.sha256(json.dumps([self.names, self.shapes, list(rows)]).encode()).hexdigest()
