r"""Inner products of snapshots, streamed: all that principal directions need to know of millions of weights.

.. math:: K = R R^T, \quad r_1 = w_1,\ r_i = w_i - w_1; \qquad
          W W^T = T K T^T, \quad X X^T = J K_0 J

``T`` adds the first row to the others again, ``K_0`` leaves it out, and ``J = I - 1 1^T / N`` centres. Products are
summed in float64 and taken between differences to the first row: of weights that lie close together, float32 products,
or products of the weights themselves, keep no digit of what is small. Columns are independent, so that processes can
share them and add ``N^2`` numbers; and a further snapshot adds one row of products.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modelheir import checks
from modelheir.shard import Shard
from modelheir.subspace.rows import Rows, blocks

__all__ = ["Gram", "shifted"]


class Gram:
    """Products ``K`` of rows, ``(N, N)`` float64; made by :meth:`of`, grown by :meth:`grown`."""

    def __init__(self, products: np.ndarray) -> None:
        self.products = products

    @classmethod
    def of(
        cls,
        rows: Rows,
        *,
        shard: Shard | None = None,
        add: Callable[[np.ndarray], np.ndarray] | None = None,
        size: int | None = None,
    ) -> Gram:
        """Take the products of all rows in one pass.

        Args:
            rows: ``N`` rows.
            shard: The part of the columns that this process reads; all by default.
            add: Returns the sum over the processes of an array like the one it is given, such as one all-reduce; with
                ``shard``.
            size: Columns of a block.

        Example:
            >>> from modelheir.subspace import StackedRows
            >>> Gram.of(StackedRows(np.array([[1.0, 0.0], [1.0, 2.0]]))).raw
            array([[1., 1.],
                   [1., 5.]])
        """
        found = np.zeros((len(rows), len(rows)))
        for _, block in blocks(rows, _columns(rows, shard), size=size):
            own = shifted(block)
            found += own @ own.T
        return cls(found if add is None else add(found))

    def grown(
        self,
        rows: Rows,
        *,
        shard: Shard | None = None,
        add: Callable[[np.ndarray], np.ndarray] | None = None,
        size: int | None = None,
    ) -> Gram:
        """Return the products of ``rows``, of which the first are those of this object: only the others are taken.

        Raises:
            ValueError: If there are fewer rows than before.
        """
        old = len(self.products)
        checks.at_least(old, rows=len(rows))
        found = np.zeros((len(rows) - old, len(rows)))
        for _, block in blocks(rows, _columns(rows, shard), size=size):
            own = shifted(block)
            found += own[old:] @ own.T
        if add is not None:
            found = add(found)
        return Gram(np.block([[self.products, found[:, :old].T], [found]]))

    def __len__(self) -> int:
        return len(self.products)

    @property
    def back(self) -> np.ndarray:
        """``T``, ``(N, N)``, with ``W = T R``."""
        found = np.eye(len(self))
        found[:, 0] = 1
        return found

    @property
    def raw(self) -> np.ndarray:
        """``W W^T``."""
        return self.back @ self.products @ self.back.T

    @property
    def centred(self) -> np.ndarray:
        """``X X^T`` of the rows without their mean."""
        found = self.products.copy()
        found[0] = found[:, 0] = 0
        found -= found.mean(axis=0)
        return found - found.mean(axis=1, keepdims=True)

    @property
    def length(self) -> float:
        """Length of the longest row."""
        return float(np.sqrt(np.diag(self.raw).max()))


def shifted(block: np.ndarray) -> np.ndarray:
    """Return ``R`` of a block of ``W``: float64, the first row as it is, the others less it."""
    found = np.subtract(block, block[0], dtype=np.float64)
    found[0] = block[0]
    return found


def _columns(rows: Rows, shard: Shard | None) -> range | None:
    return None if shard is None else shard.rows(rows.layout.width)
