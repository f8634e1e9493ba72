"""What scores add to a comparison: graded flips, calibration, and the two models averaged.

Works through the images in blocks, so that memory beyond the files stays small whatever their size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from modelheir.analysis.comparison import Calibration, Graded, Scores, SharedFlips, Together
from modelheir.analysis.pairing import Pair, Side
from modelheir.analysis.record import Rate
from modelheir.metrics.accuracy import in_top_k
from modelheir.metrics.calibration import brier_score, calibration_error, negative_log_likelihood, reliability_table
from modelheir.metrics.confidence import label_confidence, max_confidence, softmax
from modelheir.metrics.flips import rates
from modelheir.metrics.graded_flips import graded_flip_rate, large_flips, near_flips
from modelheir.metrics.outcomes import OUTCOMES, count_outcomes, outcomes
from modelheir.metrics.statistics.intervals import mean_interval, weighted_rate
from modelheir.metrics.unknown_classes import unknown_classes

__all__ = ["score_tables"]

_VALUES = 4_000_000  #: scores of a block
_SIDES = ("old", "new")


@dataclasses.dataclass(eq=False)
class _Track:
    """What is kept of one model's scores, a value an image."""

    confidence: np.ndarray
    label: np.ndarray
    right: np.ndarray
    brier: float = 0.0
    top5: int | None = None


def score_tables(pair: Pair, codes: np.ndarray, *, confidence: float, bins: int) -> Scores | None:
    """Return the parts of a comparison that need scores.

    Args:
        pair: The two models.
        codes: Outcome of each image, shape ``(N,)``.
        confidence: Of the intervals.
        bins: Of the calibration.

    Returns:
        What the models that have scores allow; ``None`` where neither has any.
    """
    sides = {name: getattr(pair, name) for name in _SIDES if getattr(pair, name).scores() is not None}
    if not sides:
        return None
    tracks, together = _walk(pair, sides)
    return Scores(
        calibration={name: _calibration(track, bins) for name, track in tracks.items()},
        reliability={
            name: tuple(reliability_table(track.confidence, track.right, bins=bins)) for name, track in tracks.items()
        },
        graded=_graded(tracks, codes, confidence),
        ensemble=None if together is None else _together(pair, together),
    )


def _together(pair: Pair, prediction: np.ndarray) -> Together:
    """Hold the average of both models against the old one."""
    counts = count_outcomes(outcomes(pair.old.prediction, prediction, pair.label))[0]
    of = {name: float(value) for name, value in rates(counts).items()}
    keep = ("nfr", "pfr", "relative_nfr", "accuracy_gain", "churn")
    by = "logits" if _averages_logits(pair) else "probabilities"
    return Together(by=by, accuracy=of["accuracy_new"], **{name: of[name] for name in keep})


def _averages_logits(pair: Pair) -> bool:
    """Tell whether logits can be averaged: both have them, for the same classes."""
    old, new = pair.old.predictions.logits, pair.new.predictions.logits
    names = pair.old.predictions.classes or pair.new.predictions.classes
    return (
        old is not None
        and new is not None
        and pair.new.numbers is None
        and old.shape[1] == new.shape[1]
        and set(unknown_classes(old, names)) == set(unknown_classes(new, names))
    )


def _walk(pair: Pair, sides: dict[str, Side]) -> tuple[dict[str, _Track], np.ndarray | None]:
    """Go once through the scores of both models."""
    total = len(pair.label)
    own = {name: _own_labels(pair, side) for name, side in sides.items()}
    tracks = {
        name: _Track(np.empty(total), np.empty(total), side.prediction == pair.label) for name, side in sides.items()
    }
    together = np.empty(total, np.int64) if len(sides) == 2 else None
    means = _averages_logits(pair)
    for rows in _blocks(total, pair.count):
        blocks = {name: _block(side, rows) for name, side in sides.items()}
        probabilities = {
            name: softmax(block) if sides[name].predictions.logits is not None else block.astype(np.float64)
            for name, block in blocks.items()
        }
        for name, track in tracks.items():
            p, label = probabilities[name], own[name][rows]
            track.confidence[rows] = max_confidence(p)
            track.label[rows] = label_confidence(p, label)
            track.brier += float(brier_score(p, label).sum())
            if p.shape[1] > 5:
                track.top5 = (track.top5 or 0) + int(in_top_k(blocks[name], label, k=5).sum())
        if together is not None:
            if means:
                together[rows] = (blocks["old"].astype(np.float64) + blocks["new"]).argmax(axis=1)
            else:
                mean = np.zeros((len(pair.label[rows]), pair.count))
                for name, p in probabilities.items():
                    numbers = sides[name].numbers
                    mean[:, np.arange(p.shape[1]) if numbers is None else numbers] += p
                together[rows] = mean.argmax(axis=1)
    return tracks, together


def _blocks(total: int, width: int) -> Iterator[slice]:
    step = max(1, _VALUES // width)
    return (slice(start, start + step) for start in range(0, total, step))


def _block(side: Side, rows: slice) -> np.ndarray:
    scores = side.scores()
    assert scores is not None
    return scores[rows] if side.rows is None else scores[side.rows[rows]]


def _own_labels(pair: Pair, side: Side) -> np.ndarray:
    """Return the labels in a model's own numbering; a class it does not know gets a number past its last."""
    scores = side.scores()
    assert scores is not None
    if side.numbers is None:
        return pair.label
    own = np.full(pair.count, scores.shape[1], np.int64)
    own[side.numbers] = np.arange(len(side.numbers))
    return own[pair.label]


def _calibration(track: _Track, bins: int) -> Calibration:
    total = len(track.right)
    return Calibration(
        error=calibration_error(track.confidence, track.right, bins=bins),
        error_equal_mass=calibration_error(track.confidence, track.right, bins=bins, spacing="equal_mass"),
        brier=track.brier / total,
        nll=float(negative_log_likelihood(track.label).mean()),
        mean_confidence=float(track.confidence.mean()),
        mean_label_confidence=float(track.label.mean()),
        bins=bins,
        top5_accuracy=None if track.top5 is None else track.top5 / total,
    )


def _graded(tracks: dict[str, _Track], codes: np.ndarray, confidence: float) -> Graded:
    negative, positive = (codes == OUTCOMES.index(name) for name in ("negative_flip", "positive_flip"))

    def grade(flips: np.ndarray, side: str) -> Rate | None:
        if side not in tracks:
            return None
        track = tracks[side]
        weights = np.clip((track.confidence - track.label)[flips], 0, 1)
        ends = weighted_rate(weights, len(flips), confidence=confidence)
        return Rate(graded_flip_rate(flips, track.confidence, track.label), ends)

    found = Graded(nfr_graded=grade(negative, "new"), pfr_graded=grade(positive, "old"))
    if len(tracks) < 2:
        return found
    drop = tracks["old"].label - tracks["new"].label
    near, large = near_flips(negative, drop), large_flips(negative, drop)
    return dataclasses.replace(
        found,
        label_confidence_drop=Rate(float(drop.mean()), mean_interval(drop, confidence=confidence, within=(-1, 1))),
        near_negative_flips=SharedFlips(0.1, int(near.sum()), float(near.mean())),
        large_negative_flips=SharedFlips(0.5, int(large.sum()), float(large.mean())),
    )
