"""A whole view, opened: its sample ids and its vectors, mapped into memory rather than held."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelheir.checks import InputError
from modelheir.embeddings.facts import ViewFacts, read_facts
from modelheir.embeddings.rows import Rows, read_rows
from modelheir.embeddings.shards import check_shard, is_finished, map_shard, nonfinite_rows

__all__ = ["StoredVectors", "StoredView", "missing_shards", "open_view"]


@dataclasses.dataclass(frozen=True, eq=False)
class StoredVectors:
    """The vectors of all shards as one array ``(N, D)`` that is read by row; only the rows asked for leave the disk."""

    parts: Sequence[np.ndarray]  #: ``(n, D)`` each, of equal length but for the last

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, D)``."""
        return sum(map(len, self.parts)), int(self.parts[0].shape[1])

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """float16 or float32."""
        return self.parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return the vectors of rows: integers ``>= 0``, an array of such, a mask or a slice.

        Raises:
            IndexError: If a row is outside.
        """
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        wanted = np.asarray(rows)
        if wanted.dtype == bool:
            if wanted.shape != (len(self),):
                raise IndexError(f"a mask must have shape ({len(self)},), got {wanted.shape}")
            wanted = np.flatnonzero(wanted)
        flat = wanted.astype(np.int64).ravel()
        if len(flat) and not 0 <= flat.min() <= flat.max() < len(self):
            raise IndexError(f"a row is outside the {len(self)} vectors")
        found = np.empty((len(flat), self.shape[1]), self.dtype)
        order = np.argsort(flat, kind="stable")  # each shard is read once, in the order of its rows
        length = len(self.parts[0])
        part = flat[order] // length
        edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(flat)]
        for first, last in itertools.pairwise(edges):
            if first < last:
                mine, number = order[first:last], int(part[first])
                found[mine] = self.parts[number][flat[mine] - number * length]
        return found.reshape(*wanted.shape, self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all of it, in memory."""
        if copy is False:
            raise ValueError("stored vectors cannot be an array without a copy")
        return np.concatenate(self.parts).astype(self.dtype if dtype is None else dtype, copy=False)


@dataclasses.dataclass(frozen=True, eq=False)
class StoredView:
    """What an encoder said of some images."""

    folder: Path
    facts: ViewFacts
    rows: Rows  #: of the images that have a vector
    places: np.ndarray  #: ``(M,)`` int64: the row in ``vectors`` of each of ``rows``
    vectors: StoredVectors
    missing: tuple[str, ...]  #: ids of images that could not be decoded: they have no vector


def open_view(folder: Path | str, *, fingerprint: str | None = None) -> StoredView:
    """Open a view of which every shard is written.

    Sizes and headers are checked and every number is looked at; ``modelheir embed verify`` compares the checksums.

    Args:
        folder: Of one view.
        fingerprint: Of the encoder that it must be of; ``None`` takes any.

    Raises:
        InputError: If a shard is missing, a file is damaged, a vector holds NaN or an infinity (names the sample), or
            the view is of another encoder.
    """
    folder = Path(folder)
    facts = read_facts(folder)
    if fingerprint not in (None, facts.encoder["fingerprint"]):
        raise InputError(
            f"{folder} is the view of another encoder, {facts.encoder['address']}, than the one asked for: compute the "
            "view again with `modelheir embed`, into another folder."
        )
    if missing := missing_shards(folder, facts):
        some = f"{len(missing):,} of {facts.shards:,} shards are"
        raise InputError(
            f"{folder} is half-written: {some if len(missing) > 1 else f'1 of {facts.shards:,} shards is'} missing, "
            f"the first is {missing[0]:05d}. Run the same `modelheir embed` again."
        )
    rows = read_rows(folder, facts)
    there = np.ones(len(rows), dtype=bool)
    parts = []
    for number in range(facts.shards):
        part, start = map_shard(folder, facts, number), facts.shard(number).start
        skipped = np.array(check_shard(folder, facts, number).missing, dtype=np.int64)
        bad = np.setdiff1d(nonfinite_rows(part), skipped)
        if len(bad):
            raise InputError(
                f"{folder}: the vector of {str(rows.ids[start + bad[0]])!r} holds numbers that are not finite, as do "
                f"{len(bad)} of shard {number:05d}: remove that shard and run the same `modelheir embed` again."
            )
        there[start + skipped] = False
        parts.append(part)
    kept = Rows(rows.ids[there], rows.labels[there], rows.splits[there])
    lost = tuple(str(name) for name in rows.ids[~there])
    return StoredView(folder, facts, kept, np.flatnonzero(there), StoredVectors(parts), lost)


def missing_shards(folder: Path, facts: ViewFacts) -> list[int]:
    """Return the numbers of shards that are not written, or only half."""
    return [number for number in range(facts.shards) if not is_finished(folder, facts, number)]
