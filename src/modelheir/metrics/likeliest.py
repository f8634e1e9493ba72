"""The likeliest classes of each image, in order."""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["likeliest"]


def likeliest(probabilities: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``count`` likeliest classes of each image and their probabilities, the likeliest first.

    Args:
        probabilities: Shape ``(N, C)``; any scores do, of which more is likelier.
        count: 1 to ``C``.

    Returns:
        Classes and probabilities, ``(N, count)`` each. Of equal ones the class with the lower number stands first.

    Raises:
        ValueError: If ``count`` is none of these.

    Example:
        >>> classes, found = likeliest(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]), 2)
        >>> classes.tolist(), found.tolist()
        ([[1, 2], [0, 2]], [[0.5, 0.3], [0.4, 0.4]])
    """
    checks.two_dimensional(probabilities=probabilities)
    if not 1 <= count <= probabilities.shape[1]:
        raise ValueError(f"count = {count}: must be from 1 to {probabilities.shape[1]}")
    classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return classes, np.take_along_axis(probabilities, classes, axis=1)
