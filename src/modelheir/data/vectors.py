"""A named set of labelled vectors (embeddings), one or several views a sample, memory-mapped rather than held."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["VectorSet", "Vectors", "join_samples", "join_views"]

_log = logging.getLogger(__name__)


class Vectors(Protocol):
    """Vectors ``(M, D)`` that are read by row: an array, a memory map, or the shards of a stored view."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floats."""
        ...

    @property
    def ndim(self) -> int:
        """2."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """``(M, D)``."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """Return rows."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class VectorSet:
    """One split: ids, labels, columns, and where each view's vectors are; the counterpart of an ``ImageSet``."""

    name: str  #: of the source and the split, for messages
    classes: tuple[str, ...]
    ids: np.ndarray  #: ``(N,)`` str, unique
    labels: np.ndarray  #: ``(N,)`` int64; -1 is unlabelled
    views: tuple[Vectors, ...]  #: float ``(M, D)`` each, of any length, such as ``numpy.load(..., mmap_mode="r")``
    rows: np.ndarray  #: ``(N, views)`` int64 into each view
    columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.same_length(ids=self.ids, labels=self.labels, rows=self.rows, **dict(self.columns))
        if not self.views or self.rows.ndim != 2 or self.rows.shape[1] != len(self.views):
            raise ValueError(f"rows must have shape (N, {len(self.views)}), one column a view, got {self.rows.shape}")
        for number, view in enumerate(self.views):
            if view.ndim != 2 or view.dtype.kind != "f":
                raise InputError(f"{self.name}: view {number} must be floats (M, D), got {view.dtype} {view.shape}.")
            if len(self) and not 0 <= self.rows[:, number].min() <= self.rows[:, number].max() < len(view):
                raise InputError(f"{self.name}: a row of view {number} is outside its {len(view)} vectors.")
        if len(np.unique(self.ids)) < len(self.ids):
            raise InputError(f"{self.name}: sample ids occur more than once.")
        if ((self.labels < -1) | (self.labels >= len(self.classes))).any():
            raise InputError(f"{self.name}: a label is outside 0 to {len(self.classes) - 1}, or -1 for unlabelled.")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers in a vector of each view."""
        return tuple(int(view.shape[1]) for view in self.views)

    def read(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the vectors of some samples, float32 ``(len(rows), D)`` a view; only these are read from disk."""
        return tuple(
            np.ascontiguousarray(view[self.rows[rows, number]], dtype=np.float32)
            for number, view in enumerate(self.views)
        )

    def subset(self, keep: np.ndarray, *, name: str | None = None) -> VectorSet:
        """Return the samples ``keep`` (numbers or a mask), in that order; no vector is copied."""
        return dataclasses.replace(
            self,
            name=self.name if name is None else name,
            ids=self.ids[keep],
            labels=self.labels[keep],
            rows=self.rows[keep],
            columns={key: values[keep] for key, values in self.columns.items()},
        )


def join_views(sets: Sequence[VectorSet], *, max_missing_share: float = 0.0) -> VectorSet:
    """Join sets that are views of the same samples, by sample id, in the order of the first.

    Args:
        sets: One or more, each with one or more views; labels, classes and columns are the first's.
        max_missing_share: Share of the first set's samples, 0 to 1, that another set may lack; they are left out and
            counted in the log.

    Raises:
        InputError: If more are missing, or two sets label a sample differently; names the set and a sample.

    Example:
        >>> one = VectorSet("a", ("x",), np.array(["p", "q"]), np.zeros(2, int), (np.eye(2),), np.array([[0], [1]]))
        >>> two = dataclasses.replace(one, name="b", ids=np.array(["q", "p"]))
        >>> [view.tolist() for view in join_views([one, two]).read(np.array([0]))]
        [[[1.0, 0.0]], [[0.0, 1.0]]]
    """
    first = sets[0]
    keep = np.ones(len(first), dtype=bool)
    places: list[np.ndarray] = []
    for other in sets[1:]:
        at = {str(name): row for row, name in enumerate(other.ids)}
        place = np.array([at.get(str(name), -1) for name in first.ids], dtype=np.int64)
        missing = np.flatnonzero(place < 0)
        if len(missing):
            said = (
                f"{other.name} lacks {len(missing)} of the {len(first)} samples of {first.name}, such as "
                f"{str(first.ids[missing[0]])!r}"
            )
            if len(missing) > max_missing_share * len(first):
                raise InputError(f"{said}: compute the missing vectors, or allow a larger share.")
            _log.warning("%s; they are left out.", said)
        theirs = np.where(place < 0, first.labels, other.labels[place])
        differ = np.flatnonzero((theirs != first.labels) & (theirs >= 0) & (first.labels >= 0))
        if len(differ):
            raise InputError(f"{first.name} and {other.name} label {str(first.ids[differ[0]])!r} differently.")
        keep &= place >= 0
        places.append(place)
    rows = [first.rows[keep], *(other.rows[place[keep]] for other, place in zip(sets[1:], places, strict=True))]
    views = tuple(view for one in sets for view in one.views)
    kept = first.subset(keep)
    return dataclasses.replace(kept, views=views, rows=np.concatenate(rows, axis=1))


def join_samples(sets: Sequence[VectorSet], *, name: str) -> VectorSet:
    """Put the samples of several sets one after another.

    Vectors stay where they are if the sets are parts of one; else those of the samples are read into memory. Columns
    that not all have are left out.

    Args:
        sets: One or more, of the same classes and widths, no sample id twice.
        name: Of the whole.

    Raises:
        ValueError: If classes or widths differ.
    """
    first = sets[0]
    if any(one.classes != first.classes or one.widths != first.widths for one in sets):
        raise ValueError("sets must have the same classes and widths to be joined")
    if all(mine is theirs for one in sets for mine, theirs in zip(first.views, one.views, strict=True)):
        views, rows = first.views, np.concatenate([one.rows for one in sets])
    else:
        read = [one.read(np.arange(len(one))) for one in sets]
        views = tuple(np.concatenate(parts) for parts in zip(*read, strict=True))
        rows = np.repeat(np.arange(len(views[0]))[:, None], len(views), axis=1)
    shared = [key for key in first.columns if all(key in one.columns for one in sets)]
    return VectorSet(
        name,
        first.classes,
        np.concatenate([one.ids for one in sets]),
        np.concatenate([one.labels for one in sets]),
        views,
        rows,
        {key: np.concatenate([one.columns[key] for one in sets]) for key in shared},
    )
