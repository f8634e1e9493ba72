"""A whole teacher cache, opened: which sample stands where, and whether every shard is there."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from modelheir.checks import InputError
from modelheir.runs.teacher_cache.manifest import NAME, Manifest, read_manifest
from modelheir.runs.teacher_cache.shards import StoredShard, check_files, read_shard
from modelheir.shard import Shard

__all__ = ["TeacherCache", "cache_files", "missing_shards", "open_cache", "verify_cache"]


@dataclasses.dataclass(frozen=True, eq=False)
class TeacherCache:
    """What teachers said of every view of some images, mapped into memory."""

    folder: Path
    manifest: Manifest
    shards: tuple[StoredShard, ...]

    @functools.cached_property
    def ids(self) -> np.ndarray:
        """Sample ids of all shards, ``(N,)`` text."""
        return np.concatenate([one.images.ids for one in self.shards])

    @functools.cached_property
    def pixels(self) -> np.ndarray:
        """Digests of the decoded images, uint64 ``(N,)``."""
        return np.concatenate([one.images.pixels for one in self.shards])

    @functools.cached_property
    def _place(self) -> Mapping[str, int]:
        return {str(name): row for row, name in enumerate(self.ids)}

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Return the row of each sample id, int64 ``(M,)``; -1 where the cache does not have it."""
        place = self._place
        return np.array([place.get(str(name), -1) for name in ids], dtype=np.int64)

    def take(self, name: str, rows: np.ndarray, view: int | None = None) -> np.ndarray:
        """Read some rows of an array, ``(M, ...)`` of one view, or ``(V, M, ...)`` of all.

        Args:
            name: ``logits``, or ``top_classes`` and ``log_probabilities``; ``features``.
            rows: As from :meth:`rows`, all ``>= 0``.
            view: From 0; ``None`` is all.
        """
        starts = np.cumsum([0, *(len(one.images) for one in self.shards)])
        first = self.shards[0].arrays[name]
        views = (first.shape[0],) if view is None else ()
        found = np.empty((*views, len(rows), *first.shape[2:]), dtype=first.dtype)
        part = np.searchsorted(starts, rows, side="right") - 1
        for number in np.unique(part):
            mine = part == number
            array, own = self.shards[number].arrays[name], rows[mine] - starts[number]
            if view is None:
                found[:, mine] = array[:, own]
            else:
                found[mine] = array[view, own]
        return found


def open_cache(folder: Path) -> TeacherCache:
    """Open a cache of which every shard is written.

    Raises:
        InputError: If a shard is missing (says which to write), a file is damaged, or a sample is in two shards.
    """
    manifest = read_manifest(folder)
    if missing := missing_shards(folder, manifest):
        several = f"shards {', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''} are"
        raise InputError(
            f"cache:{folder} is half-written: {several if len(missing) > 1 else f'shard {missing[0]} is'} missing. Run "
            f"the `modelheir cache write` that made it with --shard {missing[0]}{' and so on' if missing[1:] else ''}."
        )
    found = TeacherCache(folder, manifest, tuple(read_shard(folder, one, manifest) for one in _all(manifest)))
    unique, counts = np.unique(found.ids, return_counts=True)
    if len(unique) < len(found.ids):
        again = str(unique[counts > 1][0])
        raise InputError(f"cache:{folder} is damaged: sample {again!r} is in it more than once. Write it again.")
    return found


def missing_shards(folder: Path, manifest: Manifest) -> list[Shard]:
    """Return the shards of a cache that are not written."""
    return [one for one in _all(manifest) if not one.file(folder, "shard", "json").is_file()]


def verify_cache(folder: Path) -> dict[Shard, str]:
    """Read every file of a cache whole and compare it with its checksum.

    Returns:
        Shard -> what is wrong, in words; "" where nothing is.

    Raises:
        InputError: If there is no cache, or its ``cache.json`` is damaged or of another format.
    """
    manifest = read_manifest(folder)
    found = dict.fromkeys(_all(manifest), "")
    for shard in found:
        if not shard.file(folder, "shard", "json").is_file():
            found[shard] = f"not written: run `modelheir cache write` with --shard {shard}"
            continue
        try:
            check_files(folder, shard, content=True)
            read_shard(folder, shard, manifest)
        except InputError as error:
            found[shard] = str(error)
    return found


def cache_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that say what a cache holds, digests of all others among it: ``cache.json`` and each shard's."""
    return (folder / NAME, *sorted(folder.glob("shard-*-of-*.json")))


def _all(manifest: Manifest) -> list[Shard]:
    return [Shard(number, manifest.shards) for number in range(1, manifest.shards + 1)]
