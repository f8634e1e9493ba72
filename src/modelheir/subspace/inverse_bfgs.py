r"""The inverse of a Hessian, learnt from steps and from how the gradient changed over them, in a few coordinates.

.. math:: B \leftarrow (I - \vartheta s y^T)\, B\, (I - \vartheta y s^T) + \vartheta s s^T, \qquad \vartheta = 1 / y^T s

Nocedal and Wright, "Numerical Optimization", 2nd edition, 2006, eq. 6.17; in a plane of weights: Li et al., "Low
Dimensional Trajectory Hypothesis is True", TPAMI 45(3), 2023, arXiv:2103.11154, algorithm 2. Their guard is ``y's >
1e-20``, which lets noise through; :func:`bent` measures the angle instead, and :func:`damped_change` brings a pair that
noise has bent back to where it can be used. Everything is float64 on the host: ``n`` is tens.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["bent", "damped_change", "updated_inverse"]


def updated_inverse(inverse: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the inverse Hessian that says what this pair says, and otherwise as little else as may be.

    Args:
        inverse: ``(n, n)``, symmetric and positive definite.
        step: ``s``, ``(n,)``: what the coordinates moved by.
        change: ``y``, ``(n,)``: what the gradient changed by; ``y's`` must be positive.

    Returns:
        ``(n, n)``, symmetric and positive definite, with ``B y = s``.

    Raises:
        ValueError: If ``y's`` is not positive.

    Example:
        >>> updated_inverse(np.eye(2), np.array([1.0, 0.0]), np.array([4.0, 0.0]))
        array([[0.25, 0.  ],
               [0.  , 1.  ]])
    """
    curvature = float(change @ step)
    checks.above(0, curvature=curvature)
    left = np.eye(len(step)) - np.outer(step, change) / curvature
    found = left @ inverse @ left.T + np.outer(step, step) / curvature
    return (found + found.T) / 2


def bent(step: np.ndarray, change: np.ndarray) -> float:
    """Return the cosine between step and change of the gradient, -1 to 1; 0 where either is 0.

    A pair is used where it is clearly positive: the scale of weights and loss then decides nothing.

    >>> bent(np.array([2.0, 0.0]), np.array([3.0, 4.0]))
    0.6
    """
    lengths = float(np.linalg.norm(step) * np.linalg.norm(change))
    return float(step @ change) / lengths if lengths > 0 else 0.0


def damped_change(inverse: np.ndarray, step: np.ndarray, change: np.ndarray, *, share: float) -> np.ndarray:
    r"""Return the change of the gradient, mixed with what the inverse expected where it shows too little curvature.

    .. math:: y' = \theta y + (1 - \theta) B^{-1} s, \qquad y'^T s \ge a\, s^T B^{-1} s

    with the largest ``theta`` up to 1 for which that holds: Powell's damping (Nocedal and Wright, procedure 18.2, where
    ``a`` is 0.2).

    Args:
        inverse: ``B``, ``(n, n)``, symmetric and positive definite.
        step: ``s``, ``(n,)``, not 0.
        change: ``y``, ``(n,)``.
        share: ``a``, above 0 and below 1.

    Returns:
        ``(n,)``; ``y`` itself where it needs nothing.
    """
    expected = np.linalg.solve(inverse, step)
    usual, found = float(step @ expected), float(step @ change)
    if found >= share * usual:
        return change
    theta = (1 - share) * usual / (usual - found)
    return theta * change + (1 - theta) * expected
