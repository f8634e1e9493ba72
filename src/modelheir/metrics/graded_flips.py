r"""Graded flips: flips weighed by how far they went, and split into near and large ones.

With ``p`` the probabilities and ``NF_i`` (``PF_i``) 1 where image ``i`` flips:

.. math::
    NFR_{graded} = \tfrac1N \sum_i NF_i\,(\max_c p^{new}_{ic} - p^{new}_{iy}), \qquad
    PFR_{graded} = \tfrac1N \sum_i PF_i\,(\max_c p^{old}_{ic} - p^{old}_{iy})

A negative flip is near (type I) where the label's probability moved by no more than a small threshold, large (type II)
where it moved by a large one or more. Functions take flips and probabilities at the label rather than whole matrices,
so that a million images need no more than a few vectors. After the reference code of Yan et al., 2021,
arXiv:2011.09161.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["graded_flip_rate", "large_flips", "near_flips", "score_flips"]


def graded_flip_rate(flips: np.ndarray, confidence: np.ndarray, label_confidence: np.ndarray) -> float:
    """Return the graded flip rate.

    Args:
        flips: True where the image flips, shape ``(N,)``.
        confidence: Highest probability of the model that is wrong on the flips (new for negative ones, old for
            positive ones), shape ``(N,)``.
        label_confidence: Probability of the same model at the label, shape ``(N,)``.

    Returns:
        Mean over all ``N`` images, 0 to 1; for negative flips lower is better.

    Raises:
        ValueError: If the shapes differ or there are no images.

    Example:
        >>> graded_flip_rate(np.array([True, False]), np.array([0.75, 0.9]), np.array([0.25, 0.9]))
        0.25
    """
    flips, confidence, label_confidence = map(np.asarray, (flips, confidence, label_confidence))
    checks.same_shape(flips=flips, confidence=confidence, label_confidence=label_confidence)
    if not len(flips):
        raise ValueError("a graded flip rate needs at least one image")
    return float(((confidence - label_confidence) * flips).mean())


def near_flips(flips: np.ndarray, drop: np.ndarray, *, threshold: float = 0.1) -> np.ndarray:
    """Mark type I flips: the label's probability moved by at most ``threshold``.

    Args:
        flips: True where the image flips, shape ``(N,)``.
        drop: Old minus new probability at the label, shape ``(N,)``.
        threshold: Fraction, 0 to 1.

    Returns:
        Booleans ``(N,)``.

    Example:
        >>> near_flips(np.array([True, True, False]), np.array([0.05, 0.6, 0.0])).tolist()
        [True, False, False]
    """
    checks.same_shape(flips=flips, drop=drop)
    checks.in_range(0, 1, threshold=threshold)
    return flips & (np.abs(drop) <= threshold)


def large_flips(flips: np.ndarray, drop: np.ndarray, *, threshold: float = 0.5) -> np.ndarray:
    """Mark type II flips: the label's probability moved by at least ``threshold``; arguments as :func:`near_flips`.

    >>> large_flips(np.array([True, True, False]), np.array([0.05, 0.6, 0.9])).tolist()
    [False, True, False]
    """
    checks.same_shape(flips=flips, drop=drop)
    checks.in_range(0, 1, threshold=threshold)
    return flips & (np.abs(drop) >= threshold)


def score_flips(old: np.ndarray, new: np.ndarray) -> dict[str, float]:
    """Return flips of any score of which higher is better (an overlap, a similarity), image by image.

    Args:
        old: The old model's score of each image, shape ``(N,)``.
        new: The new model's score, shape ``(N,)``.

    Returns:
        ``nfr`` and ``pfr``, the shares of images that got worse and better, and ``regression`` and ``gain``, by how
        much on average among those (0 where there are none). MUSCLE, 2024, arXiv:2407.09435.

    Raises:
        ValueError: If the shapes differ or there are no images.

    Example:
        >>> score_flips(np.array([0.5, 0.5, 1.0, 0.0]), np.array([0.75, 0.25, 0.5, 0.0]))
        {'nfr': 0.5, 'pfr': 0.25, 'regression': 0.375, 'gain': 0.25}
    """
    old, new = np.asarray(old, np.float64), np.asarray(new, np.float64)
    checks.same_shape(old=old, new=new)
    if not len(old):
        raise ValueError("score flips need at least one image")
    change = new - old
    worse, better = change < 0, change > 0
    return {
        "nfr": float(worse.mean()),
        "pfr": float(better.mean()),
        "regression": float(-change[worse].mean()) if worse.any() else 0.0,
        "gain": float(change[better].mean()) if better.any() else 0.0,
    }
