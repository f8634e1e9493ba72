"""Images that earlier releases broke, on the next one: which are wrong again, and the list that remembers them.

What came back is a share of the remembered images that the present data holds, with its exact interval. An image that
several releases broke counts once. The images of the very release that is judged are left out: so a comparison that is
run again has the same verdict.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import numpy as np

from modelheir.analysis.pairing import pair_up
from modelheir.analysis.record import Rate, Record
from modelheir.metrics.join import find_rows
from modelheir.metrics.outcomes import OUTCOMES, outcomes
from modelheir.metrics.statistics.intervals import exact
from modelheir.runs.by_id.remembered import Remembered
from modelheir.types import Predictions

__all__ = ["Replay", "ReplayedRelease", "broken", "replayed"]


@dataclasses.dataclass(frozen=True, eq=False)
class ReplayedRelease(Record):
    """The images that one release broke, on the new model."""

    release: str
    file: str
    n: int  #: remembered images that the data holds
    wrong: int  #: of these, images that the new model gets wrong
    share: Rate  #: ``wrong / n``; ``None`` without images
    gone: int  #: remembered images that the data lacks

    def to_json(self) -> dict[str, Any]:
        """Return one row; the interval stands beside the share."""
        return {**super().to_json(), **self.share.named("share")}


@dataclasses.dataclass(frozen=True, eq=False)
class Replay(Record):
    """The images that all earlier releases broke, on the new model; each image counts once."""

    path: str  #: the list
    n: int  #: remembered images that the data holds, labelled
    wrong: int  #: of these, images that the new model gets wrong: they came back
    share: Rate  #: ``wrong / n``; ``None`` without images
    gone: int  #: remembered images that the data lacks
    own: int  #: images of the very release that is judged, left out
    wrong_ids: tuple[str, ...]
    gone_ids: tuple[str, ...]
    releases: tuple[ReplayedRelease, ...]  #: in the list's order

    def to_json(self) -> dict[str, Any]:
        """Return all of it; the interval stands beside the share."""
        return {**super().to_json(), **self.share.named("share")}


def replayed(
    remembered: Remembered,
    sample_id: np.ndarray,
    wrong: np.ndarray,
    *,
    release: tuple[str, str] = ("", ""),
    confidence: float = 0.95,
) -> Replay:
    """Hold a list of remembered images against what the new model says.

    Args:
        remembered: The list.
        sample_id: Labelled images of the data, text, shape ``(N,)``.
        wrong: Whether the new model gets each wrong, bool, shape ``(N,)``.
        release: Short name and file of the new model; its own rows are left out.
        confidence: Two-sided, of the intervals.

    Example:
        >>> known = Remembered(("a", "b"), ("v2", "v2"), ("", ""), ("cat", "dog"), (None, None))
        >>> found = replayed(known, np.array(["a", "c"]), np.array([True, False]))
        >>> found.wrong_ids, found.share.value, found.gone_ids
        (('a',), 1.0, ('b',))
    """
    parts: dict[tuple[str, str], dict[str, None]] = {}  # release -> its ids in the list's order, each once
    for name, key in zip(remembered.sample_id, zip(remembered.release, remembered.file, strict=True), strict=True):
        parts.setdefault(key, {})[name] = None
    own = parts.pop(release, {})
    ids = list(dict.fromkeys(name for part in parts.values() for name in part))
    rows = find_rows(np.array(ids, np.str_), sample_id)
    again = {name: bool(wrong[row]) for name, row in zip(ids, rows.tolist(), strict=True) if row >= 0}

    def counts(part: dict[str, None] | list[str]) -> dict[str, Any]:
        here = [again[name] for name in part if name in again]
        share = Rate(sum(here) / len(here), exact(sum(here), len(here), confidence=confidence)) if here else Rate(None)
        return {"n": len(here), "wrong": sum(here), "share": share, "gone": len(part) - len(here)}

    return Replay(
        path=remembered.path,
        own=len(own),
        wrong_ids=tuple(name for name, came_back in again.items() if came_back),
        gone_ids=tuple(name for name in ids if name not in again),
        releases=tuple(ReplayedRelease(*key, **counts(part)) for key, part in parts.items()),
        **counts(ids),
    )


def broken(old: Predictions, new: Predictions, *, release: tuple[str, str], date: datetime.date) -> Remembered:
    """List the images that the new model broke, to be remembered.

    Args:
        old: What the old model said.
        new: What the new model said about the same images, in any order.
        release: Short name and file of the new model.
        date: The day.

    Returns:
        One row an image, in the old file's order, with the new model's confidence in its wrong answer.

    Raises:
        InputError: If the two do not describe the same images.
    """
    pair = pair_up(old, new)
    codes = outcomes(pair.old.prediction, pair.new.prediction, pair.label)
    rows = np.flatnonzero(codes == OUTCOMES.index("negative_flip"))
    sure = pair.new.confidence(rows)
    return Remembered(
        sample_id=tuple(pair.sample_id[rows].tolist()),
        release=(release[0],) * len(rows),
        file=(release[1],) * len(rows),
        label=tuple(pair.class_name(number) for number in pair.label[rows].tolist()),
        confidence=(None,) * len(rows) if sure is None else tuple(sure.tolist()),
        date=(date,) * len(rows),
    )
