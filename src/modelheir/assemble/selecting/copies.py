"""Which images of the pool are copies of images that are known, or of one another; and the file that lists them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelheir.data import ImageSet
from modelheir.runs.files import replace_file
from modelheir.selection.confirmation import Copy
from modelheir.selection.copies import find_copies, find_copies_within
from modelheir.selection.marks import Marked
from modelheir.selection.settings import CopyConfig
from modelheir.selection.shards import Scored

__all__ = ["Removed", "marked", "remove_copies", "write_removed"]

SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("partner", pa.string()),
        ("reason", pa.string()),
        ("score", pa.float64()),
        ("partner_split", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True)
class Removed:
    """An image of the pool that is left out."""

    sample_id: str
    partner: str  #: id of the image that it is a copy of
    reason: str  #: a key of :data:`~modelheir.selection.confirmation.REASONS`
    score: float
    partner_split: str  #: test, val or train of the data, or pool


def marked(scored: Iterable[Scored], images: ImageSet) -> tuple[Marked, np.ndarray]:
    """Return the marks of images, by the order of their ids, and the ids.

    Args:
        scored: What was kept of them, all parts.
        images: The images themselves, some of which may have no marks.
    """
    parts = [part for part in scored if len(part)]
    ids = np.array([name for part in parts for name in part.sample_id.to_pylist()], dtype=str)
    order = np.argsort(ids, kind="stable")
    place = {str(name): row for row, name in enumerate(images.ids.tolist())}

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    ids = ids[order]
    fields = [all_of(name) for name in ("content", "hash", "thumbnail", "features")]
    return Marked(*fields, read=lambda row: images.image(place[str(ids[row])])), ids


def remove_copies(
    pool: Marked,
    ids: np.ndarray,
    known: Mapping[str, tuple[Marked, np.ndarray]],
    config: CopyConfig,
    *,
    sift: bool,
    stage: Callable[[str, int], None],
    advance: Callable[[int], None],
) -> list[Removed]:
    """Find what is left out of the pool.

    Args:
        pool: Marks of the pool, in the order of the ids.
        ids: Its ids.
        known: Split -> marks and ids, in the order in which they are asked: what is a copy of a test image is not
            asked for among the training images.
        config: Thresholds, and whether copies within the pool count.
        sift: Whether keypoints can be had.
        stage: Called with what is being done, and of how many images.
        advance: Called with the number of images that are done.
    """
    left, found = np.arange(len(pool)), []
    for split, (marks, names) in known.items():
        if len(marks) and len(left):
            stage(f"copies of {split} images", len(left))
            new = find_copies(pool.take(left), marks, config, sift=sift, views=split != "train", advance=advance)
            found += [_removed(one, ids[left], names, split) for one in new]
            left = np.delete(left, [one.row for one in new])
    if config.within and len(left):
        stage("copies within the pool", len(left))
        new = find_copies_within(pool.take(left), config, sift=sift, advance=advance)
        found += [_removed(one, ids[left], ids[left], "pool") for one in new]
    return found


def write_removed(path: Path, found: Sequence[Removed]) -> None:
    """Write the list, whole or not at all."""
    table = pa.Table.from_pylist([dataclasses.asdict(one) for one in found], schema=SCHEMA)
    replace_file(path, lambda temporary: pq.write_table(table, temporary))


def _removed(one: Copy, ids: np.ndarray, names: np.ndarray, split: str) -> Removed:
    return Removed(str(ids[one.row]), str(names[one.partner]), one.reason, one.score, split)
