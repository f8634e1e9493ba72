r"""Principal directions of a trajectory: along which the weights moved most.

.. math:: X = W - \mathbf{1} \bar w^T = U \Sigma V^T, \qquad P = V_{1..n}^T = \Sigma_n^{-1} U_n^T X

Found from ``X X^T``, which is small, in two passes over the snapshots; see :mod:`modelheir.subspace.gram`. Li, Tan,
Huang et al., "Low Dimensional Trajectory Hypothesis is True: DNNs Can Be Trained in Tiny Subspaces", 2023,
doi:10.1109/TPAMI.2022.3178101, Section 3.2 (eigenvectors of the small matrix). Ours differs: the products are taken in
float64 of differences, directions that rounding of the snapshots would make are left out, and the first pass may be
shared by processes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from modelheir.checks import InputError
from modelheir.subspace.basis import Basis
from modelheir.subspace.combine import combine, outline
from modelheir.subspace.gram import Gram
from modelheir.subspace.rows import Rows

__all__ = ["Spectrum", "accept_components", "noise", "pca", "spectrum"]

_FLOAT64 = 1e-7  #: singular values below this share of the largest are rounding of their squares


@dataclasses.dataclass(frozen=True, eq=False)
class Spectrum:
    """How snapshots spread."""

    values: np.ndarray  #: singular values ``(N,)``, descending
    vectors: np.ndarray  #: their left vectors, ``(N, N)``, in columns
    rank: int  #: how many stand out of rounding
    centred: bool  #: about the mean, else about zero

    @property
    def explained(self) -> np.ndarray:
        """Shares of the variance, ``(N,)``, summing to 1."""
        return self.values**2 / (self.values**2).sum()

    def count(self, components: int | float, *, truncate: bool) -> int:
        """Return how many directions :func:`pca` takes.

        Raises:
            InputError: If there are not so many, or none.
        """
        most = len(self.values)
        if not self.rank:
            raise InputError(f"the {most} snapshots are identical, to rounding: the training did not move them.")
        if isinstance(components, float):
            return min(int(np.searchsorted(self.explained.cumsum(), components)) + 1, self.rank)
        if components > self.rank and not truncate:
            raise InputError(
                f"components = {components}: the {most} snapshots move along {self.rank} directions only; what is "
                "beyond is rounding. Take fewer components, or more snapshots."
            )
        return min(components, self.rank)

    def inner(self, gram: Gram, count: int) -> np.ndarray:
        """Return the first directions as sums of ``R``, ``(count, N)``; about the mean they leave the first row out."""
        found = (self.vectors[:, :count] / self.values[:count]).T
        if self.centred:
            found -= found.mean(axis=1, keepdims=True)
            found[:, 0] = 0
            return found
        return found @ gram.back


def spectrum(rows: Rows, gram: Gram, *, centred: bool = True) -> Spectrum:
    """Take the snapshots' singular values from their products.

    Signs are such that the largest entry of each left vector is positive, as scikit-learn had them before 1.5.

    Args:
        rows: ``N`` rows; only the precision in which they are stored is asked for.
        gram: Of the rows.
        centred: Of the rows less their mean.
    """
    squares, vectors = np.linalg.eigh(gram.centred if centred else gram.raw)
    squares, vectors = squares[::-1].clip(0), vectors[:, ::-1]
    sizes = np.abs(vectors)
    largest = (sizes >= (1 - 1e-9) * sizes.max(axis=0)).argmax(axis=0)  # the first, where rounding alone tells
    vectors = vectors * np.where(vectors[largest, np.arange(len(rows))] < 0, -1.0, 1.0)
    values = np.sqrt(squares)
    most = len(rows) - 1 if centred else len(rows)
    floor = max(noise(rows) * gram.length, _FLOAT64 * values[0])
    return Spectrum(values, vectors, int((values[:most] > floor).sum()), centred)


def noise(rows: Rows) -> float:
    """Return the share of a snapshot's length below which motion is not told from the rounding of stored weights.

    Ten times the rounding of float32, which leaves a direction within 2 degrees; of half precision the rounding alone,
    which leaves it within 20: ten times that would be more than most trainings move.
    """
    return max(10 * min(rows.rounding, 2.0**-24), rows.rounding)


def pca(
    rows: Rows,
    components: int | float,
    *,
    centred: bool = True,
    truncate: bool = False,
    gram: Gram | None = None,
    folder: Path | None = None,
    size: int | None = None,
) -> Basis:
    """Find the principal directions of snapshots.

    Args:
        rows: ``N`` snapshots, at least two.
        components: How many, ``>= 1``; or, as a float above 0 and below 1, the least share of the variance that the
            first so many hold together.
        centred: About the snapshots' mean; else about zero.
        truncate: Whether more components than the snapshots have are cut to those they have; else that is an error.
        gram: Of the rows, where it is known already.
        folder: Where the basis is written while it is made, to stay there; absent keeps it in memory.
        size: Columns of a block that is in memory, over all rows.

    Returns:
        The directions, by falling variance; their explained shares are of the variance of all snapshots.

    Raises:
        InputError: If there are fewer snapshots or directions than components, or all snapshots are equal.

    Example:
        >>> from modelheir.subspace import StackedRows
        >>> found = pca(StackedRows(np.array([[3.0, 4.0], [0.0, 0.0]])), 1)
        >>> found.components, found.singular_values[:1], found.explained
        (array([[0.6, 0.8]]), array([3.53553391]), array([1.]))
    """
    accept_components(len(rows), components, truncate=truncate)
    gram = Gram.of(rows, size=size) if gram is None else gram
    found = spectrum(rows, gram, centred=centred)
    count = found.count(components, truncate=truncate)
    about = dataclasses.replace(
        outline(rows, count, "pca"), singular_values=found.values, explained=found.explained[:count]
    )
    return combine(rows, found.inner(gram, count), about, folder=folder, size=size)


def accept_components(snapshots: int, components: int | float, *, truncate: bool) -> None:
    """Refuse what no snapshots are needed to refuse; arguments as for :func:`pca`.

    Raises:
        InputError: If ``components`` is out of range, or more than the snapshots.
    """
    share = isinstance(components, float)
    if isinstance(components, bool) or (share and not 0 < components < 1) or (not share and components < 1):
        raise InputError(f"components = {components!r}: must be an int >= 1, or a share of the variance in (0, 1).")
    if snapshots < 2 or (not share and snapshots < components and not truncate):
        raise InputError(
            f"components = {components}: there are only {snapshots} snapshots, which have {max(snapshots - 1, 0)} "
            "directions about their mean. Take more snapshots or fewer components."
        )
