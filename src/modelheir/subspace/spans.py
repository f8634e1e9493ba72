r"""What snapshots span: the basis of Gram and Schmidt, and each snapshot's own deviation, block by block.

Li et al., "Trainable Weight Averaging: Efficient Training by Optimizing Historical Solutions", 2023,
https://openreview.net/forum?id=8wbnpOJY-f, Section 3 (the orthonormal basis), and its journal version, 2025,
arXiv:2205.13104 (deviations, scaled for each block). Ours differs: instead of the classical steps of Gram and Schmidt,
which lose orthogonality in float32, the same triangular basis comes from the Cholesky factor of products in float64.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.subspace.basis import Basis
from modelheir.subspace.combine import combine, gather, outline
from modelheir.subspace.gram import Gram, shifted
from modelheir.subspace.layout import Layout
from modelheir.subspace.principal import noise
from modelheir.subspace.rows import Rows, blocks

__all__ = ["deviations", "gram_schmidt", "group_parameters", "triangular"]


def gram_schmidt(rows: Rows, *, gram: Gram | None = None, folder: Path | None = None, size: int | None = None) -> Basis:
    r"""Make an orthonormal basis of the snapshots themselves, not of what they differ by, in their order.

    .. math:: p_i \propto w_i - \sum_{j<i} p_j (p_j^T w_i), \qquad P = C W, \quad \alpha = C^T z

    Its span holds zero, every snapshot and their mean. A snapshot that those before it span, to rounding, adds no
    direction.

    Args:
        rows: ``N`` snapshots, at least one that is not zero.
        gram: Of the rows, where it is known already.
        folder: Where the basis is written while it is made, to stay there; absent keeps it in memory.
        size: Columns of a block that is in memory, over all rows.

    Returns:
        At most ``N`` directions; ``mixture`` is ``C``, lower triangular where all snapshots are independent, and
        :meth:`~modelheir.subspace.Basis.of_snapshots` gives the coefficients :math:`\alpha`.

    Raises:
        InputError: If all snapshots are zero.

    Example:
        >>> from modelheir.subspace import StackedRows
        >>> found = gram_schmidt(StackedRows(np.array([[2.0, 0.0], [3.0, 4.0]])))
        >>> found.components, found.of_snapshots(np.array([3.0, 4.0]))
        (array([[1., 0.],
               [0., 1.]]), array([0., 1.]))
    """
    gram = Gram.of(rows, size=size) if gram is None else gram
    inner = triangular(gram.products, noise(rows) * gram.length)
    return combine(rows, inner, outline(rows, len(inner), "gram_schmidt"), folder=folder, size=size)


def triangular(products: np.ndarray, floor: float) -> np.ndarray:
    """Return the coefficients of Gram and Schmidt, ``(n, N)``, from products ``(N, N)``, row by row.

    Args:
        products: Of vectors with each other.
        floor: Vectors that are no longer than this, once those before them are taken out, are left out; ``>= 0``.

    Raises:
        InputError: If none remains.
    """
    count, kept = len(products), list[int]()
    found = np.zeros((count, count))  # rows: orthonormal vectors as sums of the given ones
    for number in range(count):
        before = found[: len(kept)]
        own = np.eye(count)[number]
        own -= (before @ products @ own) @ before
        length = float(np.sqrt(max(own @ products @ own, 0.0)))
        if length > max(floor, 1e-7 * float(np.sqrt(products[number, number]))):
            found[len(kept)] = own / length
            kept.append(number)
    if not kept:
        raise InputError("all snapshots are zero: they span no direction.")
    return found[: len(kept)]


def deviations(rows: Rows, *, least: int = 0, folder: Path | None = None, size: int | None = None) -> Basis:
    r"""Take how each snapshot deviates from the mean, of length one in each block of parameters, as directions.

    .. math:: w = \bar w + \sum_i \sum_l x_{il}\, \hat d_i^{(l)}

    They are not orthogonal, and a block that a snapshot shares with the mean stays zero. Coordinates are one for each
    snapshot and block: ``add_basis(model, basis.rows(), blocks=dict(zip(basis.names, basis.blocks)))``.

    Args:
        rows: ``N`` snapshots, at least two.
        least: A block of parameters ends once it has more numbers than this, ``>= 0``; 0 makes each parameter a block.
        folder: Where the basis is written while it is made, to stay there; absent keeps it in memory.
        size: Columns of a block that is in memory, over all rows.

    Raises:
        InputError: If there is one snapshot only.
    """
    if len(rows) < 2:
        raise InputError("one snapshot does not deviate: take at least two.")
    groups = group_parameters(rows.layout, least)
    squares = np.zeros((len(rows), max(groups) + 1))
    for place, _, own in _centred(rows, groups, size):
        squares[:, place] += (own[:-1] ** 2).sum(axis=1)
    scale = np.where(squares > 0, 1 / np.sqrt(np.where(squares > 0, squares, 1)), 0)
    scale = np.concatenate([scale, np.ones((1, scale.shape[1]))])

    def parts() -> Iterator[tuple[int, np.ndarray]]:
        for place, start, own in _centred(rows, groups, size):
            yield start, (scale[:, place : place + 1] * own).astype(rows.dtype)

    about = dataclasses.replace(outline(rows, len(rows), "deviations"), blocks=groups)
    return gather(about, parts(), folder)


def group_parameters(layout: Layout, least: int) -> tuple[int, ...]:
    """Return for each parameter the block it belongs to, as :func:`deviations` makes them.

    >>> group_parameters(Layout(("a", "b", "c", "d"), ((3,), (2,), (9,), (1,))), 4)
    (0, 0, 1, 2)
    """
    checks.at_least(0, least=least)
    found, place, held = [], 0, 0
    for size in layout.sizes:
        found.append(place)
        held += size
        if held > least:
            place, held = place + 1, 0
    return tuple(found)


def _centred(rows: Rows, groups: tuple[int, ...], size: int | None) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield a block of parameters, where columns start, and in those the deviations and, below them, the mean."""
    starts = rows.layout.starts
    for number, place in enumerate(groups):
        for start, block in blocks(rows, range(starts[number], starts[number + 1]), size=size):
            own = shifted(block)
            first = own[0].copy()
            own[0] = 0
            mean = own.mean(axis=0)
            yield place, start, np.concatenate([own - mean, (first + mean)[None]])
