"""The best images of each class, and the list of them with the labelled images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelheir.assemble.selecting.places import place_images
from modelheir.assemble.selecting.result import ClassCount
from modelheir.data import ImageSet
from modelheir.selection.manifest import UNLABELLED, chosen_rows, labelled_rows, write_manifest
from modelheir.selection.shards import Scored
from modelheir.selection.top_k import TopK

if TYPE_CHECKING:
    from modelheir.assemble.selecting.settings import SelectConfig

__all__ = ["Choice", "choose", "write_list"]


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen."""

    best: pa.Table  #: ``sample_id``, ``class``, ``probability``: the best of each class; an image may stand twice
    chosen: list[str]  #: different ids, by their first class, best first
    chosen_for: list[int]  #: the class of each that is surest of it
    score: np.ndarray  #: float32: the teacher's probability of that class
    seen: np.ndarray  #: images of the pool a class
    off_topic: int  #: images whose best class the data lacks

    def counts(self, classes: Sequence[str], labelled: np.ndarray) -> tuple[ClassCount, ...]:
        """Return a row a class; ``labelled`` are the training images of each in the manifest."""
        number = self.best["class"].to_numpy()
        chance = self.best["probability"].to_numpy()
        rows = []
        for i, name in enumerate(classes):
            own = chance[number == i]
            lowest = float(own.min()) if len(own) else None
            rows.append(ClassCount(name, int(self.seen[i]), len(own), lowest, int(labelled[i])))
        return tuple(rows)

    def notes(self, classes: Sequence[str], config: SelectConfig) -> list[str]:
        """Say what a person should know of the balance."""
        found = []
        used = np.flatnonzero(self.seen)
        if len(used) == 1 and len(classes) > 1:
            found.append(
                f"Every image of the pool is of one class by the teacher's word, {classes[used[0]]!r}: is it the right "
                "pool, and a teacher of these classes?"
            )
        number = self.best["class"].to_numpy()
        short = [name for i, name in enumerate(classes) if (number == i).sum() < config.top_k]
        if len(short) == len(classes):
            found.append(f"The pool has fewer than top_k = {config.top_k} images of every class: all were taken.")
        elif short:
            some = ", ".join(short[:10]) + (", ..." if len(short) > 10 else "")
            found.append(f"{len(short)} of {len(classes)} classes have fewer than {config.top_k} images: {some}.")
        return found


def choose(scored: Iterable[Scored], gone: Sequence[str], *, classes: int, config: SelectConfig) -> Choice:
    """Take the best ``top_k`` images of each class, in one pass.

    Args:
        scored: The scores of the pool.
        gone: Ids that are left out.
        classes: How many classes the data has.
        config: ``top_k`` and ``classes_per_image``.
    """
    best = TopK(classes, config.top_k, classes_per_image=config.classes_per_image)
    out, off_topic = pa.array(list(gone), pa.string()), 0
    for part in scored:
        keep = ~pc.is_in(part.sample_id, value_set=out).to_numpy(zero_copy_only=False)  # pyright: ignore
        ids = part.sample_id.filter(pa.array(keep))
        best.add(ids, part.classes[keep], part.probabilities[keep])
        off_topic += int((part.classes[keep, 0] < 0).sum())
    rows = best.rows()
    names, number, chance = (rows[name].to_pylist() for name in ("sample_id", "class", "probability"))
    top: dict[str, tuple[float, int]] = {}
    for name, one, value in zip(names, number, chance, strict=True):
        if name not in top or value > top[name][0]:
            top[name] = (value, one)
    score = np.array([value for value, _ in top.values()], dtype=np.float32)
    return Choice(rows, list(top), [one for _, one in top.values()], score, best.seen, off_topic)


def write_list(out: Path, choice: Choice, pool: ImageSet, train: ImageSet, *, config: SelectConfig) -> np.ndarray:
    """Write the manifest and make its images readable below ``out``.

    Returns:
        Labelled training images in it, a class.
    """
    place = {str(name): row for row, name in enumerate(pool.ids.tolist())}
    images = pool.subset(np.array([place[name] for name in choice.chosen], dtype=np.int64))
    paths = place_images(images, out, "pool", copy=config.copy)
    names = [train.classes[number] for number in choice.chosen_for]
    parts = [chosen_rows(choice.chosen, paths, names, choice.score)]
    counts = np.zeros(len(train.classes), dtype=np.int64)
    if config.union:
        paths = place_images(train, out, "train", copy=config.copy)
        labels = [train.classes[number] if number >= 0 else UNLABELLED for number in train.labels]
        parts.append(labelled_rows(train.ids.tolist(), paths, labels))
        counts += np.bincount(train.labels[train.labels >= 0], minlength=len(counts))
    write_manifest(out / "manifest.parquet", parts)
    return counts
