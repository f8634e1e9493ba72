r"""Confusion: how often each class was taken for each, and precision, recall and F1 of every class.

With ``n[y, k]`` images of class ``y`` that are said to be ``k``:

.. math:: P_k = n_{kk} / \sum_y n_{yk}, \quad R_k = n_{kk} / \sum_j n_{kj}, \quad
          F_k = 2 n_{kk} / \left(\sum_y n_{yk} + \sum_j n_{kj}\right)

Counts are sparse: a thousand classes make a million pairs, of which few occur.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = ["Cells", "ClassScores", "class_scores", "confused_with", "confusion"]

_DENSE = 2**22  #: pairs of classes that are counted in a table of all of them


class Cells(NamedTuple):
    """The pairs of classes that occur, ``K`` of them, by label and then by prediction; all int64."""

    label: np.ndarray  #: ``(K,)``
    prediction: np.ndarray  #: ``(K,)``
    n: np.ndarray  #: ``(K,)`` images, ``>= 1``


class ClassScores(NamedTuple):
    """How well each of ``C`` classes is told, fractions, higher is better; NaN where not defined."""

    precision: np.ndarray  #: ``(C,)`` right among those said to be it; needs one
    recall: np.ndarray  #: ``(C,)`` right among those that are it, its accuracy; needs one
    f1: np.ndarray  #: ``(C,)`` harmonic mean of the two; needs an image that is it or is said to be


def confusion(label: np.ndarray, prediction: np.ndarray, *, classes: int) -> Cells:
    """Count the images of each label and prediction.

    Args:
        label: True classes, ``0..classes - 1``, shape ``(N,)``.
        prediction: Predicted classes, the same.
        classes: Number of classes.

    Returns:
        The pairs that occur.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> cells = confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), classes=3)
        >>> cells.label.tolist(), cells.prediction.tolist(), cells.n.tolist()
        ([0, 0, 1], [0, 2, 1], [1, 1, 1])
    """
    label, prediction = np.asarray(label, np.int64), np.asarray(prediction, np.int64)
    checks.same_shape(label=label, prediction=prediction)
    pairs = label * classes + prediction
    if classes**2 <= _DENSE:
        counts = np.bincount(pairs, minlength=classes**2)
        found = np.flatnonzero(counts)
        n = counts[found]
    else:
        found, n = np.unique(pairs, return_counts=True)
    return Cells(*np.divmod(found, classes), n)


def class_scores(cells: Cells, *, classes: int) -> ClassScores:
    """Return precision, recall and F1 of every class, each of shape ``(classes,)``.

    Example:
        >>> scores = class_scores(confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2), classes=2)
        >>> scores.precision.tolist(), scores.recall.tolist()
        ([1.0, 0.5], [0.5, 1.0])
    """
    own = cells.label == cells.prediction
    right, are, said = (
        np.bincount(of, weights=n, minlength=classes)
        for of, n in ((cells.label[own], cells.n[own]), (cells.label, cells.n), (cells.prediction, cells.n))
    )
    with np.errstate(invalid="ignore"):
        return ClassScores(right / said, right / are, 2 * right / (are + said))


def confused_with(cells: Cells, *, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the class that each is most often taken for; among equals the one with the lower number.

    Returns:
        That class, ``-1`` where no image of it was mistaken, and the images, 0 there; both ``(classes,)`` int64.

    Example:
        >>> with_, n = confused_with(confusion(np.array([0, 0, 0, 1]), np.array([2, 2, 1, 1]), classes=3), classes=3)
        >>> with_.tolist(), n.tolist()
        ([2, -1, -1], [2, 0, 0])
    """
    wrong = np.flatnonzero(cells.label != cells.prediction)
    order = wrong[np.lexsort((-cells.prediction[wrong], cells.n[wrong]))]
    other, n = np.full(classes, -1), np.zeros(classes, np.int64)
    other[cells.label[order]] = cells.prediction[order]  # of several the last one stays: the largest
    n[cells.label[order]] = cells.n[order]
    return other, n
