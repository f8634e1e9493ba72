"""Wrong labels on purpose: some of the training labels are replaced by another class, to see what a method makes of it.

Symmetric noise, as in Zhang et al., "Understanding Deep Learning Requires Rethinking Generalization", 2017,
arXiv:1611.03530; ours differs: a replaced label is never the right one, so that the share is exact.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["noisy_labels"]


def noisy_labels(labels: np.ndarray, share: float, *, classes: int, seed: int) -> np.ndarray:
    """Return labels of which a share is wrong.

    Args:
        labels: ``(N,)``; -1 is unlabelled and stays.
        share: Of the labelled ones, 0 to 1, rounded to whole labels; which ones is drawn.
        classes: How many there are, ``>= 2``; every other class is as likely.
        seed: Of the draw.

    Example:
        >>> noisy_labels(np.array([0, 1, 0, -1]), 1.0, classes=2, seed=0)
        array([ 1,  0,  1, -1])
    """
    checks.in_range(0, 1, share=share)
    checks.at_least(2, classes=classes)
    rng, found = np.random.default_rng(seed), labels.copy()
    known = np.flatnonzero(labels >= 0)
    rows = rng.permutation(known)[: round(share * len(known))]
    found[rows] = (labels[rows] + rng.integers(1, classes, size=len(rows))) % classes
    return found
