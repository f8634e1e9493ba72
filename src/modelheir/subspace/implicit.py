r"""Principal directions that are never written: each product goes through the snapshots themselves.

.. math:: P g = A (R g), \qquad P^T d = R^T (A^T d)

It takes ``n N`` numbers in memory in place of ``n M`` in memory or on disk, and reads ``N M`` weights for each product.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modelheir.subspace.basis import Basis
from modelheir.subspace.combine import combine, outline
from modelheir.subspace.gram import Gram, shifted
from modelheir.subspace.layout import Layout
from modelheir.subspace.principal import accept_components, spectrum
from modelheir.subspace.rows import Rows, blocks

__all__ = ["MatrixFree", "matrix_free"]


class MatrixFree:
    """Directions as sums of snapshots, for :meth:`project` and :meth:`expand` alone.

    Args:
        rows: ``N`` snapshots, which must stay where they are.
        inner: ``A``, ``(n, N)``, in terms of the first snapshot and the others less the first.
        explained: Shares of the variance along the directions, ``(n,)``.
        size: Columns of a block that is in memory.
    """

    def __init__(self, rows: Rows, inner: np.ndarray, explained: np.ndarray, *, size: int | None = None) -> None:
        self.rows, self.inner, self.explained, self.size = rows, inner, explained, size

    @property
    def layout(self) -> Layout:
        """Which column belongs to which parameter."""
        return self.rows.layout

    @property
    def width(self) -> int:
        """Columns ``M``."""
        return self.layout.width

    def __len__(self) -> int:
        return len(self.inner)

    def project(self, vector: np.ndarray) -> np.ndarray:
        """Return ``P g``, ``(n,)`` float64, of ``g`` ``(M,)``."""
        found = np.zeros(len(self.rows))
        for start, block in blocks(self.rows, size=self.size):
            found += shifted(block) @ vector[start : start + block.shape[1]]
        return self.inner @ found

    def expand(self, coefficients: np.ndarray) -> np.ndarray:
        """Return ``P^T d``, ``(M,)`` in the type of the snapshots, of ``d`` ``(n,)``."""
        sums = np.asarray(coefficients, np.float64) @ self.inner
        found = np.empty(self.width, self.rows.dtype)
        for start, block in blocks(self.rows, size=self.size):
            found[start : start + block.shape[1]] = sums @ shifted(block)
        return found

    def basis(self, folder: Path | None = None) -> Basis:
        """Write the directions out after all."""
        return combine(self.rows, self.inner, outline(self.rows, len(self), "pca"), folder=folder, size=self.size)


def matrix_free(
    rows: Rows,
    components: int | float,
    *,
    centred: bool = True,
    truncate: bool = False,
    gram: Gram | None = None,
    size: int | None = None,
) -> MatrixFree:
    """Find the directions of :func:`~modelheir.subspace.pca`, in one pass, without writing them.

    Arguments and errors are those of :func:`~modelheir.subspace.pca`. Directions are orthonormal as far as the products
    say; the second pass, which would correct what rounding left of small ones, is left out.
    """
    accept_components(len(rows), components, truncate=truncate)
    gram = Gram.of(rows, size=size) if gram is None else gram
    found = spectrum(rows, gram, centred=centred)
    count = found.count(components, truncate=truncate)
    return MatrixFree(rows, found.inner(gram, count), found.explained[:count], size=size)
