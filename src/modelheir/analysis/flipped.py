"""The flipped images that a page shows: some of each kind and class, the surest new answers first."""

from __future__ import annotations

import dataclasses

import numpy as np

from modelheir import checks
from modelheir.analysis.pairing import pair_up
from modelheir.metrics.outcomes import OUTCOMES, outcomes
from modelheir.types import Predictions

__all__ = ["CAP", "KINDS", "Flip", "Flipped", "flipped"]

CAP = 200  #: images on a page, so that it stays small enough to mail
KINDS = {"negative": "negative_flip", "positive": "positive_flip", "neutral": "other_error"}  #: kind -> its outcome


@dataclasses.dataclass(frozen=True)
class Flip:
    """One flipped image."""

    sample_id: str
    kind: str  #: a key of ``KINDS``
    label: str
    old: str  #: class the old model predicts
    new: str
    old_confidence: float | None  #: probability of the predicted class, ``None`` where unknown
    new_confidence: float | None


@dataclasses.dataclass(frozen=True)
class Flipped:
    """The chosen images and the counts before any were left out."""

    flips: tuple[Flip, ...]
    totals: dict[str, int]  #: kind to number of such images in the data

    @property
    def total(self) -> int:
        """Flipped images in the data, chosen or not."""
        return sum(self.totals.values())

    @property
    def classes(self) -> list[tuple[str, int]]:
        """Labels among the chosen with their number, by name."""
        names = [flip.label for flip in self.flips]
        return sorted((name, names.count(name)) for name in set(names))

    @property
    def shown(self) -> dict[str, int]:
        """Kind to number of chosen images."""
        return {kind: sum(flip.kind == kind for flip in self.flips) for kind in KINDS}


def flipped(old: Predictions, new: Predictions, *, cap: int = CAP) -> Flipped:
    """Choose images on which the two models differ in a way that matters.

    Each kind of flip has a third of the places; what one kind leaves free goes to new mistakes first. Within a kind
    the classes take turns, and a class gives the images first on which the new model is surest of itself.

    Args:
        old: What the old model said; rows are matched by sample id. Unlabelled rows (-1) are left out.
        new: What the new model said.
        cap: Largest number of images, ``>= 1``.

    Returns:
        The images, new mistakes first, and the counts.

    Raises:
        InputError: If the two do not describe the same images.
        ValueError: If ``cap`` is out of range.
    """
    checks.at_least(1, cap=cap)
    pair = pair_up(old, new)
    codes = outcomes(pair.old.prediction, pair.new.prediction, pair.label)
    found = {kind: np.flatnonzero(codes == OUTCOMES.index(name)) for kind, name in KINDS.items()}
    order = {kind: _take_turns(places, pair.label, pair.new.confidence(places)) for kind, places in found.items()}
    share = _shares({kind: len(places) for kind, places in found.items()}, cap)
    chosen = [(kind, int(row)) for kind, places in order.items() for row in places[: share[kind]]]
    at = np.array([row for _, row in chosen], dtype=np.int64)
    sure_old, sure_new = pair.old.confidence(at), pair.new.confidence(at)
    flips = tuple(
        Flip(
            sample_id=str(pair.sample_id[row]),
            kind=kind,
            label=pair.class_name(int(pair.label[row])),
            old=pair.class_name(int(pair.old.prediction[row])),
            new=pair.class_name(int(pair.new.prediction[row])),
            old_confidence=None if sure_old is None else float(sure_old[place]),
            new_confidence=None if sure_new is None else float(sure_new[place]),
        )
        for place, (kind, row) in enumerate(chosen)
    )
    return Flipped(flips, {kind: len(places) for kind, places in found.items()})


def _take_turns(rows: np.ndarray, label: np.ndarray, sure: np.ndarray | None) -> np.ndarray:
    """Order rows so that classes alternate, the surest of each class first; ``sure`` goes with ``rows``."""
    if not len(rows):
        return rows
    strength = np.zeros(len(rows)) if sure is None else -sure
    rows = rows[np.lexsort((rows, strength, label[rows]))]
    starts = np.flatnonzero(np.r_[True, np.diff(label[rows]) != 0])
    turn = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return rows[np.lexsort((label[rows], turn))]


def _shares(found: dict[str, int], cap: int) -> dict[str, int]:
    """Share ``cap`` places over the kinds; no kind gets more than it has."""
    places = {kind: min(number, cap // len(found)) for kind, number in found.items()}
    for kind, number in found.items():
        places[kind] += min(number - places[kind], cap - sum(places.values()))
    return places
