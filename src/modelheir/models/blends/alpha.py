"""Choose the interpolation weight on a selection set: the fewest negative flips without a loss of accuracy.

Schumann et al., "Backward Compatibility During Data Updates by Weight Interpolation", 2023, arXiv:2301.10546. The set
must not be the one that results are reported on. Ours differs: ties go to the higher accuracy, then to the smaller
weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from modelheir import checks
from modelheir.metrics.flips import negative_flip_rate

__all__ = ["AlphaScore", "alpha_grid", "choose_alpha", "most_accurate", "score_alphas"]


class AlphaScore(NamedTuple):
    """How one interpolation weight does on the selection set."""

    alpha: float  #: weight of the old model, 0 to 1
    accuracy: float  #: fraction, higher is better
    nfr: float  #: negative flip rate against the old model, fraction, lower is better


def alpha_grid(*, fisher: bool = False) -> tuple[float, ...]:
    """Return the weights to try: 0 to 1 in steps of 0.1, and with ``fisher`` five more between 0.8 and 1.

    Example:
        >>> alpha_grid()[:3], len(alpha_grid(fisher=True))
        ((0.0, 0.1, 0.2), 16)
    """
    plain = [number / 10 for number in range(11)]
    return tuple(sorted([*plain, 0.85, 0.92, 0.94, 0.96, 0.98] if fisher else plain))


def score_alphas(
    alphas: Sequence[float], predict: Callable[[float], np.ndarray], *, old: np.ndarray, labels: np.ndarray
) -> list[AlphaScore]:
    """Score interpolation weights on the selection set.

    Args:
        alphas: The weights to try.
        predict: From a weight to the interpolated model's predicted labels, ``(N,)``.
        old: The old model's predictions, ``(N,)``.
        labels: ``(N,)``, all known.

    Returns:
        One score a weight, in the order given.

    Raises:
        ValueError: If there is no image, or lengths differ.
    """
    checks.at_least(1, images=len(labels))
    checks.same_length(old=old, labels=labels)
    scores = []
    for alpha in alphas:
        new = predict(alpha)
        checks.same_length(new=new, labels=labels)
        accuracy = float((new == labels).mean())
        scores.append(AlphaScore(alpha, accuracy, float(negative_flip_rate(old, new, labels))))
    return scores


def choose_alpha(scores: Sequence[AlphaScore], *, tolerance: float = 0.0) -> AlphaScore:
    """Return the weight with the fewest negative flips among those no less accurate than the new model.

    Args:
        scores: On the selection set; must hold weight 0, the new model itself.
        tolerance: Accuracy that may be lost, a fraction, ``>= 0``.

    Raises:
        ValueError: If weight 0 is absent.

    Example:
        >>> choose_alpha([AlphaScore(0.0, 0.90, 0.04), AlphaScore(0.5, 0.91, 0.02), AlphaScore(1.0, 0.85, 0.0)])
        AlphaScore(alpha=0.5, accuracy=0.91, nfr=0.02)
    """
    checks.at_least(0, tolerance=tolerance)
    new = next((score for score in scores if score.alpha == 0), None)
    if new is None:
        raise ValueError("scores must hold alpha 0, the new model itself, to compare the others with")
    allowed = [score for score in scores if score.accuracy >= new.accuracy - tolerance]
    return min(allowed, key=lambda score: (score.nfr, -score.accuracy, score.alpha))


def most_accurate(scores: Sequence[AlphaScore]) -> AlphaScore:
    """Return the weight with the highest accuracy, whatever flips: the choice of a model that adapts, as in WiSE-FT.

    Of equally accurate ones the smallest weight is taken, so that the tuned model stands where nothing is gained.

    Args:
        scores: On the selection set, at least one.

    Raises:
        ValueError: If there is none.

    Example:
        >>> most_accurate([AlphaScore(0.5, 0.91, 0.02), AlphaScore(0.0, 0.90, 0.04), AlphaScore(0.7, 0.91, 0.01)])
        AlphaScore(alpha=0.5, accuracy=0.91, nfr=0.02)
    """
    checks.at_least(1, scores=len(scores))
    return min(scores, key=lambda score: (-score.accuracy, score.alpha))
