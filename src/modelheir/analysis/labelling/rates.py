"""What labels of disagreements say of NFR, PFR and the accuracy gain, of the population that all images come from.

With ``D`` disagreements among ``M`` images, the first ``n`` of the draw labelled:

- ``n = D``: the intervals of the gate, those of all labels. The gain's asks for the accuracies too, which are not
  known, so it is taken over all that they may be.
- ``n < D``: NFR is the share of disagreements times that of negative flips among them. The two estimates are
  independent, each with an interval of its own; :func:`~modelheir.metrics.statistics.intervals.product_interval`
  joins them.
- ``sequential``: the images up to the first disagreement without a label, in the order of the draw, are a test set of
  their own that grows with the labels, and its confidence sequence holds wherever one stops.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from modelheir.analysis.gate.bounds import Measured, measure
from modelheir.metrics.statistics.intervals import exact, product_interval
from modelheir.metrics.statistics.paired import newcombe, paired_difference, tango
from modelheir.metrics.statistics.sequential import sequence, sequence_of_gain

__all__ = ["Seen", "measure_seen"]

_GUESSES = 1001  #: numbers of images right in both that the gain's interval is tried at


class Seen(NamedTuple):
    """What the labels of a draw add up to."""

    images: int
    disagreeing: int
    labelled: int  #: disagreements
    flips: np.ndarray  #: outcome counts of these, ``(5,)``
    covered: int  #: images up to the first disagreement without a label, in the order of the draw

    @property
    def all(self) -> bool:
        """Tell whether every disagreement has a label."""
        return self.labelled == self.disagreeing


def measure_seen(rate: str, seen: Seen, *, sequential: bool) -> Measured:
    """Return a rate with its intervals for multiples of the labels; beyond all disagreements, of the images too."""
    if rate == "churn":
        agree = seen.images - seen.disagreeing
        return measure("max_churn", np.array([agree, 0, 0, 0, seen.disagreeing]), None, sequential=sequential)
    lost, won = int(seen.flips[1]), int(seen.flips[2])
    above = {"nfr": lost, "pfr": won, "accuracy_gain": won - lost}[rate]
    images = seen.covered if sequential else seen.images
    value = above / images if sequential or seen.all else above / seen.labelled * seen.disagreeing / images

    def ends(k: Any, c: float) -> tuple[Any, Any]:
        k = float(np.max(k))
        if sequential or seen.all or seen.labelled * k > seen.disagreeing:
            scale = k if sequential or seen.all else k * seen.labelled / seen.disagreeing
            known = seen.flips * (1.0 if sequential else seen.disagreeing / max(seen.labelled, 1)) * scale
            return _whole(rate, known, images * scale, sequential, c)
        among = seen.flips * k
        return product_interval(
            lambda each: exact(seen.disagreeing, images, confidence=each),
            (lambda each: paired_difference(among, confidence=each))
            if rate == "accuracy_gain"
            else (lambda each: exact(above * k, seen.labelled * k, confidence=each)),
            confidence=c,
        )

    unit = "image" if seen.all else "label"
    return Measured(value, seen.images if seen.all else seen.labelled, ends, unit)


def _whole(rate: str, flips: np.ndarray, images: float, sequential: bool, confidence: float) -> tuple[Any, Any]:
    """Return the interval of a rate over images of which every disagreement is labelled."""
    agree = images - flips.sum()
    if rate != "accuracy_gain":
        return (sequence if sequential else exact)(flips[1 if rate == "nfr" else 2], images, confidence=confidence)
    if sequential:
        return sequence_of_gain(np.array([agree, *flips[1:]]), confidence=confidence)
    right = np.linspace(0, agree, _GUESSES)
    tables = np.stack([right, *(np.full(_GUESSES, count) for count in flips[1:3]), agree - right, 0 * right + flips[4]])
    low, high = newcombe(tables.T, confidence=confidence)
    low_too, high_too = tango(tables[:, 0], confidence=confidence)
    return min(float(low.min()), low_too), max(float(high.max()), high_too)
