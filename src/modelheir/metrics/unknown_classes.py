"""Classes of the data that a model does not know: their columns stand so far below all others that none is ever said.

A file of predictions needs a finite logit for every class. ``GAP`` below the smallest logit of the row, a class has
probability zero. Only logits of models that know the same classes can be averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["GAP", "unknown_classes"]

GAP = 1000.0  #: how far below the row's smallest logit the column of an unknown class stands


def unknown_classes(logits: np.ndarray | None, classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the classes that the model of these predictions does not know.

    Args:
        logits: As ``predict`` keeps them, shape ``(N, C)``; without, nothing is known to be unknown.
        classes: Names of the ``C`` columns.

    Example:
        >>> unknown_classes(np.array([[2.0, -1003.0, -3.0], [0.5, -999.5, 0.5]]), ("cat", "ship", "dog"))
        ('ship',)
    """
    if logits is None or not classes or not len(logits):
        return ()
    low = (logits <= logits.max(axis=1, keepdims=True) - 0.999 * GAP).all(axis=0)
    return tuple(name for name, unknown in zip(classes, low, strict=True) if unknown)
