r"""Orthonormal sums of snapshots, a block of columns at a time: ``P_J = A R_J`` for a small matrix ``A``.

Rounding leaves sums a little short of orthonormal where they are small against the snapshots. The products of what
comes out are therefore taken along, and where they are not the identity, ``A`` is corrected by their Cholesky factor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from modelheir.subspace.basis import Basis, load_basis, write_basis
from modelheir.subspace.gram import Gram, shifted
from modelheir.subspace.rows import Rows, blocks

__all__ = ["combine"]

_CLOSE = 1e-7  #: of products to the identity


def combine(
    rows: Rows,
    gram: Gram,
    mixture: np.ndarray,
    *,
    kind: str,
    spread: tuple[np.ndarray, np.ndarray] | None = None,
    folder: Path | None = None,
    size: int | None = None,
) -> Basis:
    """Make the basis ``mixture @ W`` in one pass over the rows, or two where rounding asks for it.

    Args:
        rows: ``N`` rows ``W``.
        gram: Of the rows.
        mixture: ``(n, N)``, such that the directions are nearly orthonormal.
        kind: What the basis calls itself.
        spread: Singular values and shares of the variance, of a PCA.
        folder: Where the basis is written while it is made, to stay there; absent keeps it in memory.
        size: Columns of a block.
    """
    count, width = len(mixture), rows.layout.width
    nothing = np.broadcast_to(np.zeros((), rows.dtype), (count, width))  # a shape, without memory
    about = Basis(
        nothing, rows.layout, kind, rows.layout.digest(rows.digests), *(spread or (np.zeros(0), np.zeros(0))), mixture,
        mean=nothing[0],
    )  # fmt: skip
    for _ in range(2):
        stream = _Stream(rows, about.mixture @ gram.back, size)
        if folder is not None:
            write_basis(folder, about, iter(stream))
        else:
            held = np.empty((count + 1, width), rows.dtype)
            for start, part in stream:
                held[:, start : start + part.shape[1]] = part
            about = dataclasses.replace(about, components=held[:-1], mean=held[-1])
        if np.abs(stream.products - np.eye(count)).max() <= _CLOSE:
            break
        about = dataclasses.replace(about, mixture=np.linalg.solve(np.linalg.cholesky(stream.products), about.mixture))
    return about if folder is None else load_basis(folder, None)


class _Stream:
    """Directions and, below them, the mean; and the products of the directions, once all are through."""

    def __init__(self, rows: Rows, inner: np.ndarray, size: int | None) -> None:
        self.rows, self.size = rows, size
        sums = np.abs(inner[:, 0]) > 1e-9 * np.abs(inner).sum(axis=1)
        inner[:, 0] *= sums  # directions that do not see the first row, but for rounding
        mean = np.full((1, len(rows)), 1 / len(rows))
        mean[0, 0] = 1
        self.inner = np.concatenate([inner, mean])
        self.products = np.zeros((len(inner), len(inner)))

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for start, block in blocks(self.rows, size=self.size):
            part = self.inner @ shifted(block)
            self.products += part[:-1] @ part[:-1].T
            yield start, part.astype(self.rows.dtype)
