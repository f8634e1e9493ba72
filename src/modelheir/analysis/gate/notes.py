"""What stands beside the gate's verdict: an old model near chance, and slices that break more without a bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelheir.metrics.flips import FRACTIONS
from modelheir.metrics.statistics.correction import bonferroni_confidence
from modelheir.metrics.statistics.intervals import exact, wilson

__all__ = ["SEQUENTIAL", "near_chance", "worse_slices"]

SEQUENTIAL = (
    "The bounds are judged by intervals that hold at all looks together (sequential): look early and often, "
    "as long as images are added in an order that has nothing to do with the models."
)


def near_chance(confidence: float, counts: np.ndarray, classes: np.ndarray, names: Sequence[str]) -> list[str]:
    """Say so where the old model is not clearly better than always giving the most frequent class."""
    total = classes.sum(axis=1)
    if np.count_nonzero(total) < 2:
        return []
    most = int(total.argmax())
    above, below = FRACTIONS["accuracy_old"].parts(counts)
    if exact(above, below, confidence=confidence)[0] > total[most] / total.sum():
        return []
    return [
        f"The old model is right on {above / below:.2%} of the images, not clearly more than always saying "
        f"{names[most]} would be ({total[most] / total.sum():.2%}): to break nothing of that proves little."
    ]


def worse_slices(
    confidence: float, counts: np.ndarray, slices: np.ndarray, names: Sequence[str], *, judged: bool
) -> list[str]:
    """Name the slices whose NFR is above that of all other images: Newcombe's interval of the difference, Bonferroni.

    Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10.
    """
    each = bonferroni_confidence(confidence, len(names))
    sides = [FRACTIONS["nfr"].parts(of) for of in (slices, counts - slices)]
    here, rest = (above / np.maximum(below, 1) for above, below in sides)
    low, high = (wilson(*side, confidence=each)[end] for side, end in zip(sides, (0, 1), strict=True))
    gap = here - rest - np.hypot(here - low, high - rest)
    worse = [k for k in np.argsort(-here, kind="stable") if gap[k] > 0]
    named = ", ".join(f"{names[int(k)]} ({here[k]:.2%} against {rest[k]:.2%})" for k in worse[:5])
    said = "Slices were not judged: max_slice_nfr sets no bound" if judged else ""
    if worse:
        more = f", and {len(worse) - 5} more" if len(worse) > 5 else ""
        said += f"{'; but n' if said else 'N'}ew mistakes are more frequent than in all other images in {named}{more}"
    return [f"{said}."] if said else []
