r"""Labels that are likely wrong, by what a model says of images that it was not trained on: confident learning.

.. math:: t_k = \tfrac{1}{|\{n: \tilde y_n = k\}|} \sum_{n: \tilde y_n = k} \hat p_{nk}, \qquad
          \hat y_n = \arg\max_{k: \hat p_{nk} \ge t_k} \hat p_{nk}

with :math:`\tilde y` the labels as given: a class is likely where its probability reaches the mean that images labelled
so have (eq. 1 and 2 of Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
2021, arXiv:1911.00068). A label is doubtful where another class is the likely one and the model would not have given
the label itself (the latter is cleanlab's rule, not the paper's).
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["doubtful_labels", "likely_classes", "without_last"]

_ROUNDING = 1e-6  #: a mean of equal numbers is reached by each of them


def likely_classes(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the likely class of each image, -1 where no class reaches its threshold.

    Args:
        probabilities: ``(N, C)``, of a model that has not seen the image's label.
        labels: ``(N,)``, as given, ``>= 0``.

    Raises:
        ValueError: If the shapes do not fit, or a label is no column.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.85, 0.15]])
        >>> likely_classes(p, np.array([0, 0, 1, 1]))  # thresholds 0.8 and 0.475
        array([ 0, -1,  1,  0])
    """
    checks.two_dimensional(probabilities=probabilities)
    checks.same_length(probabilities=probabilities, labels=labels)
    count = probabilities.shape[1]
    if len(labels) and not (labels.min() >= 0 and labels.max() < count):
        raise ValueError(f"labels must be from 0 to {count - 1}, got {labels.min()} to {labels.max()}")
    own = np.eye(count)[labels]
    with np.errstate(invalid="ignore", divide="ignore"):
        thresholds = (own * probabilities).sum(0) / own.sum(
            0
        )  # of a class without a label: not a number, never reached
        reached = probabilities >= thresholds - _ROUNDING
    best = np.where(reached, probabilities, -1.0).argmax(1)
    return np.where(reached.any(1), best, -1)


def doubtful_labels(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the rows whose labels are likely wrong, those least like their label first.

    Args:
        probabilities: As in :func:`likely_classes`.
        labels: As in :func:`likely_classes`.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.85, 0.15]])
        >>> doubtful_labels(p, np.array([0, 0, 1, 1]))
        array([3])
    """
    likely = likely_classes(probabilities, labels)
    own = probabilities[np.arange(len(labels)), labels]
    rows = np.flatnonzero((likely >= 0) & (likely != labels) & (own < probabilities.max(1, initial=0)))
    return rows[np.argsort(own[rows], kind="stable")]


def without_last(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return those of some rows that can be left out, so that each class keeps a label.

    Args:
        rows: In the order of doubt; of a class that would lose all, the last one stays.
        labels: ``(N,)``, of all.

    Example:
        >>> without_last(np.array([2, 0, 1]), np.array([0, 0, 1]))
        array([0])
    """
    left, kept = np.bincount(labels), []
    for row in rows.tolist():
        if left[labels[row]] > 1:
            left[labels[row]] -= 1
            kept.append(row)
    return np.array(kept, dtype=np.int64)
