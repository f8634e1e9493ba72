r"""Calibration: whether a model is right as often as its confidence says.

Images are put into bins by confidence; with ``n_b`` images, mean confidence ``conf_b`` and share of right answers
``acc_b`` in bin ``b``:

.. math:: ECE = \sum_b \frac{n_b}{N} |acc_b - conf_b|

Naeini et al., 2015; Guo et al., 2017, arXiv:1706.04599. Bins are equally wide (upper edge included), or hold equally
many images. Brier score: mean over images of ``sum_c (p_c - 1[c = y])^2`` (Brier, 1950). NLL: mean of ``-log p_y``, in
nats. A model is calibrated with one temperature by dividing its logits by the ``T`` of the least NLL (Guo et al.,
section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelheir import checks
from modelheir.metrics.statistics.intervals import normal_quantile

__all__ = [
    "TEMPERATURES",
    "brier_score",
    "calibration_error",
    "calibration_interval",
    "fit_temperature",
    "negative_log_likelihood",
    "reliability_table",
]

BINS = 15  #: bins where nothing else is asked for
TEMPERATURES = (0.01, 100.0)  #: least and largest temperature of a fit


def _bins(confidence: np.ndarray, bins: int, spacing: str) -> np.ndarray:
    if spacing == "equal_width":
        return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    if spacing != "equal_mass":
        raise ValueError(f"spacing must be 'equal_width' or 'equal_mass', got {spacing!r}")
    edges = np.sort(confidence)[(np.arange(1, bins) * len(confidence)) // bins]  # equal values share a bin
    return np.searchsorted(edges, confidence, side="right")


def reliability_table(
    confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS, spacing: str = "equal_width"
) -> list[dict[str, Any]]:
    """Return how often the model is right, by confidence.

    Args:
        confidence: Probability of the predicted class, shape ``(N,)``, 0 to 1.
        right: Whether the prediction is right, shape ``(N,)``.
        bins: Number of bins, ``>= 1``.
        spacing: ``equal_width`` or ``equal_mass``.

    Returns:
        One row a non-empty bin, by rising confidence: ``n`` and the means ``confidence`` and ``accuracy``.

    Raises:
        ValueError: If the shapes differ, there are no images, a confidence is outside 0 to 1, or a setting is unknown.

    Example:
        >>> reliability_table(np.array([0.25, 0.75, 0.75]), np.array([0, 1, 0]), bins=2)
        [{'n': 1, 'confidence': 0.25, 'accuracy': 0.0}, {'n': 2, 'confidence': 0.75, 'accuracy': 0.5}]
    """
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right)
    checks.same_shape(confidence=confidence, right=right)
    checks.at_least(1, bins=bins)
    if not len(confidence):
        raise ValueError("calibration needs at least one image")
    if not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():
        raise ValueError("confidence must be a probability from 0 to 1; logits need a softmax first")
    place = _bins(confidence, bins, spacing)
    count = np.bincount(place, minlength=bins)
    sure = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=right, minlength=bins)
    return [
        {"n": int(count[b]), "confidence": float(sure[b] / count[b]), "accuracy": float(hits[b] / count[b])}
        for b in np.flatnonzero(count)
    ]


def calibration_error(
    confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS, spacing: str = "equal_width"
) -> float:
    """Return the expected calibration error, 0 to 1, lower is better; arguments as :func:`reliability_table`.

    >>> calibration_error(np.array([0.25, 0.75, 0.75]), np.array([0, 1, 0]), bins=2)
    0.25
    """
    rows = reliability_table(confidence, right, bins=bins, spacing=spacing)
    return sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(np.asarray(right))


def calibration_interval(
    table: Sequence[Mapping[str, Any]], *, confidence: float = 0.95, scale: float = 1.0
) -> tuple[float, float]:
    r"""Return an interval of the calibration error: what the bins say, give or take what chance adds to it.

    The right answers of a bin of ``n_b`` images spread its gap by ``s_b = sqrt(p (1 - p) / n_b)``, with two right and
    two wrong answers put into ``p`` so that no bin is certain (Agresti and Coull, 1998). The high end is
    ``ECE + z s`` with ``s^2 = sum_b (n_b s_b / N)^2``. Chance alone makes the gaps of a model without fault
    ``sqrt(2 / pi) s_b`` wide on average, so the low end is ``ECE - sqrt(2 / pi) sum_b n_b s_b / N - z s``. Both ends
    are on the safe side, and most so where there are few images a bin.

    Args:
        table: Result of :func:`reliability_table`, at least one bin.
        confidence: Two-sided coverage, between 0 and 1.
        scale: The interval that so many times the images would give, ``> 0``.

    Returns:
        Low and high end, fractions from 0 to 1.

    Example:
        >>> low, high = calibration_interval([{"n": 400, "confidence": 0.9, "accuracy": 0.8}])
        >>> round(low, 3), round(high, 3)
        (0.045, 0.139)
    """
    checks.above(0, scale=scale)
    n, sure, right = (np.array([row[key] for row in table], np.float64) for key in ("n", "confidence", "accuracy"))
    share, n = n / n.sum(), n * scale
    p = (right * n + 2) / (n + 4)
    spread = share * np.sqrt(p * (1 - p) / n)
    error, reach = float(share @ np.abs(right - sure)), normal_quantile(confidence) * float(np.sqrt(spread @ spread))
    chance = float(np.sqrt(2 / np.pi) * spread.sum())
    return max(error - chance - reach, 0.0), min(error + reach, 1.0)


def brier_score(probabilities: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the Brier score of each image.

    Args:
        probabilities: Shape ``(N, C)``.
        label: True classes, shape ``(N,)``; a class that the model does not know adds 1.

    Returns:
        Shape ``(N,)``, 0 to 2, lower is better; not reduced.

    Example:
        >>> brier_score(np.array([[0.75, 0.25], [0.0, 1.0]]), np.array([0, 0])).tolist()
        [0.125, 2.0]
    """
    label = np.asarray(label)
    checks.logits_and_labels(probabilities, label)
    known = (label >= 0) & (label < probabilities.shape[1])
    own = np.where(known, probabilities[np.arange(len(label)), np.where(known, label, 0)], 0.0)
    return np.maximum(np.einsum("nc,nc->n", probabilities, probabilities) + 1 - 2 * own, 0)


def negative_log_likelihood(label_confidence: np.ndarray) -> np.ndarray:
    """Return ``-log p_y`` of each image, ``(N,)`` in nats, lower is better; ``p_y`` is held at 1e-300 or more.

    >>> negative_log_likelihood(np.array([1.0, 0.5])).round(4).tolist()
    [0.0, 0.6931]
    """
    return -np.log(np.clip(np.asarray(label_confidence, np.float64), 1e-300, 1)) + 0.0


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    r"""Return the temperature ``T`` that makes the NLL of ``softmax(logits / T)`` least.

    With ``b = 1 / T`` the NLL is convex, and its slope is the mean of what the model expects of its own logits less the
    logit of the label; the root of that slope is found, in float64.

    .. math:: \frac{d}{db} NLL = \frac{1}{N} \sum_n \Bigl(\sum_c p_{nc} z_{nc} - z_{n y_n}\Bigr)

    Ours differs from the code of Meta Co-Training, which takes at most 500 steps of L-BFGS from 1.5 on: the least is
    reached, or the end of :data:`TEMPERATURES` where there is none: a few images that are all right give the least one.

    Args:
        logits: Shape ``(N, C)``, of images that had no part in training.
        label: True classes, shape ``(N,)``, 0 to ``C - 1``.

    Returns:
        A number of :data:`TEMPERATURES`, above 1 for a model that is too sure. Dividing by it changes no prediction.

    Raises:
        ValueError: If there are no images, shapes do not fit, a label is no column, or a logit is not finite.

    Example:
        >>> sure = np.log([[0.75, 0.25]]).repeat(4, axis=0)
        >>> round(fit_temperature(3 * sure, np.array([0, 0, 0, 1])), 6)
        3.0
    """
    from scipy.optimize import root_scalar

    logits, label = np.asarray(logits, np.float64), np.asarray(label)
    checks.logits_and_labels(logits, label)
    if not len(label):
        raise ValueError("a temperature needs at least one image")
    checks.in_range(0, logits.shape[1] - 1, label=int(label.min()))
    checks.in_range(0, logits.shape[1] - 1, label=int(label.max()))
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite")
    below = logits - logits.max(axis=1, keepdims=True)
    own = below[np.arange(len(label)), label].mean()

    def slope(log_temperature: float) -> float:
        powers = np.exp(below * np.exp(-log_temperature))
        return float((np.einsum("nc,nc->n", powers, below) / powers.sum(axis=1)).mean() - own)

    low, high = np.log(TEMPERATURES)
    if slope(low) <= 0:
        return TEMPERATURES[0]
    if slope(high) >= 0:
        return TEMPERATURES[1]
    return float(np.exp(root_scalar(slope, bracket=(low, high), method="brentq", xtol=1e-12).root))
