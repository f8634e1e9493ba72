r"""Confidence: what a model's scores say about its own answer and about the true one.

.. math:: p_c = e^{z_c} / \sum_k e^{z_k}

The confidence of an image is ``max_c p_c``, the label confidence ``p_y``. Computed in float64.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["label_confidence", "label_confidence_drop", "log_softmax", "max_confidence", "softmax"]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities ``(N, C)``, float64, for logits ``(N, C)``.

    >>> softmax(np.array([[0.0, 0.0], [np.log(3.0), 0.0]])).round(2).tolist()
    [[0.5, 0.5], [0.75, 0.25]]
    """
    logits = np.asarray(logits)
    checks.two_dimensional(logits=logits)
    powers = np.subtract(logits, logits.max(axis=1, keepdims=True), dtype=np.float64)
    np.exp(powers, out=powers)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities ``(N, C)``, float64, for logits ``(N, C)``; finite where a probability rounds to 0.

    >>> log_softmax(np.array([[0.0, -2000.0]])).tolist()
    [[0.0, -2000.0]]
    """
    logits = np.asarray(logits)
    checks.two_dimensional(logits=logits)
    shifted = np.subtract(logits, logits.max(axis=1, keepdims=True), dtype=np.float64)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def max_confidence(probabilities: np.ndarray) -> np.ndarray:
    """Return the highest probability of each image, ``(N,)`` from ``(N, C)``."""
    checks.two_dimensional(probabilities=probabilities)
    return probabilities.max(axis=1)


def label_confidence(probabilities: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the probability at the label of each image.

    Args:
        probabilities: Shape ``(N, C)``.
        label: True classes, shape ``(N,)``; a class that the model does not know has probability 0.

    Returns:
        Shape ``(N,)``, 0 to 1.

    Raises:
        ValueError: If the shapes do not fit or a label is negative.
    """
    label = np.asarray(label)
    checks.logits_and_labels(probabilities, label)
    if (label < 0).any():
        raise ValueError("labels must be >= 0: leave unlabelled images out")
    known = label < probabilities.shape[1]
    found = probabilities[np.arange(len(label)), np.where(known, label, 0)]
    return np.where(known, found, 0.0)


def label_confidence_drop(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return how much less the new model believes in the label, ``p_old[y] - p_new[y]``, ``(N,)``, -1 to 1.

    >>> label_confidence_drop(np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]]), np.array([0])).tolist()
    [0.5]
    """
    return label_confidence(old, label) - label_confidence(new, label)
