"""Accuracy: the share of images whose label is predicted, or is among the ``k`` highest scores."""

from __future__ import annotations

import numpy as np

from modelheir import checks
from modelheir.metrics.unknown_classes import GAP

__all__ = ["accuracy", "in_top_k", "top_k_accuracy"]


def accuracy(prediction: np.ndarray, label: np.ndarray) -> float:
    """Return the share of right predictions.

    Args:
        prediction: Predicted classes, shape ``(N,)``.
        label: True classes, shape ``(N,)``.

    Returns:
        Fraction, 0 to 1, higher is better.

    Raises:
        ValueError: If the shapes differ or there are no images.

    Example:
        >>> accuracy([0, 1, 2, 2], [0, 1, 2, 0])
        0.75
    """
    prediction, label = np.asarray(prediction), np.asarray(label)
    checks.same_shape(prediction=prediction, label=label)
    if not len(label):
        raise ValueError("accuracy needs at least one image")
    return float((prediction == label).mean())


def in_top_k(scores: np.ndarray, label: np.ndarray, *, k: int = 5) -> np.ndarray:
    """Tell for each image whether its label is among the ``k`` highest scores.

    Between equal scores the class with the lower number comes first, as in ``argmax``.

    Args:
        scores: Logits or probabilities, shape ``(N, C)``.
        label: True classes, shape ``(N,)``; a class without a score is never found, nor one that the model does not
            know (:mod:`~modelheir.metrics.unknown_classes`).
        k: Places counted, ``1..C``.

    Returns:
        Booleans, shape ``(N,)``.

    Raises:
        ValueError: If the shapes do not fit or ``k`` is out of range.
    """
    scores, label = np.asarray(scores), np.asarray(label)
    checks.logits_and_labels(scores, label)
    checks.in_range(1, scores.shape[1], k=k)
    known = (label >= 0) & (label < scores.shape[1])
    at = np.where(known, label, 0)[:, None]
    own = np.take_along_axis(scores, at, axis=1)
    before = (scores > own).sum(axis=1) + ((scores == own) & (np.arange(scores.shape[1]) < at)).sum(axis=1)
    return known & (before < k) & (own[:, 0] > scores.max(axis=1) - 0.999 * GAP)


def top_k_accuracy(scores: np.ndarray, label: np.ndarray, *, k: int = 5) -> float:
    """Return the share of images whose label is among the ``k`` highest scores, 0 to 1, higher is better.

    >>> top_k_accuracy(np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]]), np.array([2, 2]), k=2)
    0.5
    """
    return float(in_top_k(scores, label, k=k).mean())
