"""What a selection came to: plain values for the screen, the page, JSON and Python."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path
from typing import Any

from modelheir.assemble.selecting.copies import Removed

__all__ = ["ClassCount", "Selection"]


@dataclasses.dataclass(frozen=True)
class ClassCount:
    """What became of one class."""

    name: str
    pool: int  #: images of the pool that count for it, copies left out
    chosen: int  #: of those, at most ``top_k``
    lowest: float | None  #: the teacher's probability of the last one chosen, 0 to 1; ``None`` where there is none
    labelled: int  #: training images of it in the manifest


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """What ``modelheir select`` did. With ``waiting`` it only scored a shard, and the rest is empty."""

    out: Path
    pool: int  #: images in the pool
    bad: dict[str, str]  #: id of an image that cannot be decoded -> why
    waiting: tuple[str, ...] = ()  #: shards that nobody has scored yet
    removed: tuple[Removed, ...] = ()
    classes: tuple[ClassCount, ...] = ()
    chosen: int = 0  #: different images
    labelled: int = 0
    off_topic: int = 0  #: images that the teacher says are of a class that the data lacks
    accuracy: float | None = None  #: of the teacher on the val images, a fraction
    notes: tuple[str, ...] = ()  #: sentences about what a person should know
    rules: str = ""  #: how copies were confirmed
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    top_k: int = 0

    @property
    def manifest(self) -> Path:
        """The list of images to train on; ``manifest:FILE`` reads it."""
        return self.out / "manifest.parquet"

    @property
    def page(self) -> Path:
        """The page."""
        return self.out / "report.html"

    @property
    def short(self) -> tuple[ClassCount, ...]:
        """Classes of which the pool had fewer images than were asked for."""
        return tuple(one for one in self.classes if one.chosen < self.top_k)

    def count_removed(self) -> dict[tuple[str, str], int]:
        """Return how many were removed by (split of the partner, reason)."""
        return dict(collections.Counter((one.partner_split, one.reason) for one in self.removed))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as values of JSON; removed images as counts, as ``removed.parquet`` lists them."""
        removed: dict[str, dict[str, int]] = {}
        for (split, reason), count in sorted(self.count_removed().items()):
            removed.setdefault(split, {})[reason] = count
        return {
            "version": 1,
            "pool": self.pool,
            "bad": self.bad,
            "removed": removed,
            "off_topic": self.off_topic,
            "chosen": self.chosen,
            "labelled": self.labelled,
            "top_k": self.top_k,
            "teacher_accuracy_on_val": self.accuracy,
            "classes": [dataclasses.asdict(one) for one in self.classes],
            "notes": list(self.notes),
            "copies_confirmed_by": self.rules,
            "settings": self.settings,
        }
