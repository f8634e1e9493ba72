r"""Where weights stand in a plane: the coordinates of what is nearest to them in it, and how far away they are.

.. math:: c = P (w - \bar w), \qquad \mathrm{away} = \lVert (w - \bar w) - P^T c \rVert
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelheir.subspace.basis import Basis
from modelheir.subspace.rows import Rows, blocks

__all__ = ["coordinates", "grid_around", "stand", "told"]


def coordinates(basis: Basis, rows: Rows, *, count: int = 2, size: int | None = None) -> np.ndarray:
    """Return the coordinates of snapshots, from their mean where the basis has one.

    Args:
        basis: Orthonormal directions.
        rows: ``N`` rows of the same weights.
        count: Of the directions, from the first; where the basis has fewer, further coordinates are 0.
        size: Columns of a block that is in memory, over all rows.

    Returns:
        ``(N, count)``, float64, in units of the weights.

    Raises:
        ValueError: If the rows are of other weights.
    """
    if rows.layout != basis.layout:
        raise ValueError("the rows are of other weights than the basis")
    found = np.zeros((len(rows), count))
    held = min(count, len(basis))
    for start, block in blocks(rows, size=size):
        own = slice(start, start + block.shape[1])
        moved = block.astype(np.float64) - (0.0 if basis.mean is None else basis.mean[own])
        found[:, :held] += moved @ basis.components[:held, own].T
    return found


def stand(basis: Basis, row: np.ndarray, *, count: int = 2) -> tuple[np.ndarray, float]:
    """Return where one model stands: its coordinates ``(count,)``, and its distance from what they span.

    Args:
        basis: Orthonormal directions.
        row: Its weights, ``(M,)``.
        count: Of the directions, from the first; where the basis has fewer, further coordinates are 0.

    Example:
        >>> from modelheir.subspace import StackedRows, pca
        >>> held = pca(StackedRows(np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])), 1)
        >>> place, away = stand(held, np.array([2.0, 3.0, 4.0]))
        >>> place.round(6).tolist(), round(away, 6)
        ([2.0, 0.0], 5.0)
    """
    moved = np.asarray(row, np.float64) - (0.0 if basis.mean is None else basis.mean)
    found = np.zeros(count)
    held = min(count, len(basis))
    found[:held] = basis.components[:held] @ moved
    rest = moved - found[:held] @ basis.components[:held]
    return found, math.sqrt(float(rest @ rest))


def grid_around(places: np.ndarray, *, count: int, room: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid that holds points of a plane with some room around them.

    Args:
        places: ``(N, 2)``, at least one.
        count: Values along each axis, ``>= 2``.
        room: Beside the outermost points, as a share of their spread; where this is none, 1.

    Returns:
        Rising values of ``x`` and of ``y``, ``(count,)`` each.

    Example:
        >>> x, y = grid_around(np.array([[0.0, 1.0], [2.0, 1.0]]), count=3, room=0.5)
        >>> x.tolist(), y.tolist()
        ([-1.0, 1.0, 3.0], [0.0, 1.0, 2.0])
    """
    low, high = places.min(axis=0), places.max(axis=0)
    extra = np.where(high > low, (high - low) * room, 1.0)
    x, y = (np.linspace(a, b, count) for a, b in zip(low - extra, high + extra, strict=True))
    return x, y


def told(
    basis: Basis, rows: Rows, steps: Sequence[int], ways: Mapping[str, Sequence[np.ndarray]] | None = None
) -> dict[str, Any]:
    """Return what a page shows of a trajectory, as JSON that ``result.json`` keeps under ``subspace``.

    Args:
        basis: Principal directions of the snapshots.
        rows: The snapshots, ``N``.
        steps: Of the training before each.
        ways: Name to the weights, ``(M,)`` each, by which a way came, its end last.

    Returns:
        ``variance``: shares of the components; ``path``: ``[x, y, step]`` of each snapshot; and ``ways``: of each its
        ``points`` ``[x, y]``, and how far its end is ``away`` from the plane of the first two directions.
    """
    places = coordinates(basis, rows)
    found: dict[str, Any] = {
        "variance": [float(share) for share in basis.explained],
        "path": [[*map(float, place), int(step)] for place, step in zip(places, steps, strict=True)],
        "ways": {},
    }
    for name, models in (ways or {}).items():
        stood = [stand(basis, one) for one in models]
        found["ways"][name] = {"points": [place.tolist() for place, _ in stood], "away": stood[-1][1]}
    return found
