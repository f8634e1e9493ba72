r"""Outcomes: what happened to each image between two models; every flip metric is a ratio of their counts.

With labels ``y``, old predictions ``a`` and new ones ``b`` an image is one of five: both right, negative flip
(``a = y != b``), positive flip (``a != y = b``), same error (``a = b != y``), other error (both wrong, ``a != b``).
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["OUTCOMES", "count_outcomes", "outcomes"]

OUTCOMES = ("both_right", "negative_flip", "positive_flip", "same_error", "other_error")  #: by code


def outcomes(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Tell what happened to each image.

    Args:
        old: Classes the old model predicts, shape ``(N,)``.
        new: Classes the new model predicts, shape ``(N,)``.
        label: True classes, shape ``(N,)``.

    Returns:
        Codes ``(N,)``, uint8, places in :data:`OUTCOMES`.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> outcomes([0, 0, 1, 1, 1], [0, 1, 0, 1, 2], [0, 0, 0, 0, 0]).tolist()
        [0, 1, 2, 3, 4]
    """
    old, new, label = np.asarray(old), np.asarray(new), np.asarray(label)
    checks.same_shape(old=old, new=new, label=label)
    old_wrong, new_wrong = old != label, new != label
    codes = old_wrong.astype(np.uint8)
    codes *= 2
    codes += new_wrong
    codes += old_wrong & new_wrong & (old != new)
    return codes


def count_outcomes(codes: np.ndarray, *, group: np.ndarray | None = None, groups: int = 1) -> np.ndarray:
    """Count the outcomes, over all images or in each group.

    Args:
        codes: Result of :func:`outcomes`, shape ``(N,)``.
        group: Number of each image's group, ``0..groups - 1``, shape ``(N,)``; ``None`` puts all into one.
        groups: Number of groups.

    Returns:
        Counts ``(groups, 5)``, int64.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> count_outcomes(np.array([0, 1, 1]), group=np.array([0, 0, 1]), groups=2).tolist()
        [[1, 1, 0, 0, 0], [0, 1, 0, 0, 0]]
    """
    if group is None:
        return np.bincount(codes, minlength=5).reshape(1, 5)
    checks.same_shape(codes=codes, group=group)
    return np.bincount(group.astype(np.int64, copy=False) * 5 + codes, minlength=5 * groups).reshape(groups, 5)
