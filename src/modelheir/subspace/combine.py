r"""Orthonormal sums of snapshots, a block of columns at a time: ``P_J = A R_J`` for a small matrix ``A``.

Rounding leaves sums a little short of orthonormal where they are small against the snapshots. The products of what
comes out are therefore taken along, and where they are not the identity, ``A`` is corrected by their Cholesky factor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from modelheir.subspace.basis import Basis, load_basis, write_basis
from modelheir.subspace.gram import shifted
from modelheir.subspace.rows import Rows, blocks

__all__ = ["combine", "gather", "outline"]

_CLOSE = 1e-7  #: of products to the identity


def outline(rows: Rows, count: int, kind: str, *, mean: bool = True) -> Basis:
    """Return a basis whose ``count`` directions, and mean, take no memory: what :func:`gather` fills in."""
    nothing = np.broadcast_to(np.zeros((), rows.dtype), (count, rows.layout.width))
    none = np.zeros(0)
    about = rows.layout.digest(rows.digests)
    return Basis(nothing, rows.layout, kind, about, none, none, np.zeros((count, 0)), mean=nothing[0] if mean else None)


def gather(about: Basis, parts: Iterable[tuple[int, np.ndarray]], folder: Path | None) -> Basis:
    """Fill in a basis whose columns come in ``parts``, as :func:`~modelheir.subspace.basis.write_basis` takes them.

    Args:
        about: All but the directions and the mean.
        parts: The columns.
        folder: Where it is written while they come, to stay there; absent keeps it in memory.
    """
    if folder is not None:
        write_basis(folder, about, parts)
        return load_basis(folder, None)
    count = len(about)
    held = np.empty((count + (about.mean is not None), about.width), about.components.dtype)
    for start, part in parts:
        held[:, start : start + part.shape[1]] = part
    return dataclasses.replace(about, components=held[:count], mean=None if about.mean is None else held[-1])


def combine(rows: Rows, inner: np.ndarray, about: Basis, *, folder: Path | None, size: int | None) -> Basis:
    """Make orthonormal directions in one pass over the rows, or two where rounding asks for it.

    Args:
        rows: ``N`` rows.
        inner: ``(n, N)``: the directions as sums of ``R``, nearly orthonormal.
        about: All but the directions, their mixture and the mean; with a mean, it tells of snapshots.
        folder: As for :func:`gather`.
        size: Columns of a block.
    """
    for _ in range(2):
        stream = _Stream(rows, inner, about.mean is not None, size)
        if about.mean is not None:
            about = dataclasses.replace(about, mixture=_of_rows(inner))
        found = gather(about, stream, folder)
        if np.abs(stream.products - np.eye(len(inner))).max() <= _CLOSE:
            break
        inner = np.linalg.solve(np.linalg.cholesky(stream.products), inner)
    return found  # pyright: ignore[reportPossiblyUnboundVariable]


def _of_rows(inner: np.ndarray) -> np.ndarray:
    """Turn sums of ``R`` into sums of ``W``."""
    found = inner.copy()
    found[:, 0] -= inner[:, 1:].sum(axis=1)
    return found


class _Stream:
    """Directions, and the mean below them; and the products of the directions, once all are through."""

    def __init__(self, rows: Rows, inner: np.ndarray, mean: bool, size: int | None) -> None:
        self.rows, self.size, self.count = rows, size, len(inner)
        weights = np.full((int(mean), len(rows)), 1 / len(rows))
        weights[:, 0] = 1
        self.inner = np.concatenate([inner, weights])
        self.products = np.zeros((len(inner), len(inner)))

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for start, block in blocks(self.rows, size=self.size):
            part = self.inner @ shifted(block)
            self.products += part[: self.count] @ part[: self.count].T
            yield start, part.astype(self.rows.dtype)
