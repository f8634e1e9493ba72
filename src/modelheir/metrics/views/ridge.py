r"""Ridge regression with its penalty chosen by generalised cross-validation, for many targets at once.

With centred ``X = U S V^T`` the weights are ``V (S^2 + \lambda)^{-1} S U^T Y``; one ``lambda`` for all targets is the
one with the least

.. math:: GCV = \frac{\|Y - \hat Y\|^2 / N}{\bigl(1 - (1 + \sum_i \frac{s_i^2}{s_i^2 + \lambda}) / N\bigr)^2}

Golub, Heath and Wahba, 1979. Columns of ``X`` are scaled to a deviation of 1 first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = ["Ridge", "fit_ridge"]

PENALTIES = np.logspace(-8, 2, 41)  #: what is tried, in units of the largest squared singular value


class Ridge(NamedTuple):
    """A linear map."""

    weights: np.ndarray  #: ``(D, K)``
    offset: np.ndarray  #: ``(K,)``
    penalty: float  #: ``lambda``, of the scaled columns

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return ``(N, K)`` for ``x`` of shape ``(N, D)``."""
        return np.asarray(x, np.float64) @ self.weights + self.offset


def fit_ridge(x: np.ndarray, y: np.ndarray, *, penalties: np.ndarray = PENALTIES) -> Ridge:
    """Fit a linear map from ``x`` to ``y``, with an offset that is not penalised.

    Args:
        x: ``(N, D)``; of more columns than rows only the ``N x N`` products are decomposed.
        y: ``(N, K)``.
        penalties: Tried, each above 0, in units of the largest squared singular value of the scaled ``x``.

    Raises:
        ValueError: If shapes do not fit, there are fewer than three rows, or a value is not finite.

    Example:
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> found = fit_ridge(x, 2 * x + 1)
        >>> found.predict(np.array([[10.0]])).round(3).tolist()
        [[21.0]]
    """
    from scipy.linalg import eigh

    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    checks.two_dimensional(x=x, y=y)
    checks.same_length(x=x, y=y)
    checks.at_least(3, rows=len(x))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("vectors must be finite")
    centre, target, spread = x.mean(axis=0), y.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-10 * np.abs(x).max(axis=0), spread, np.inf)  # a constant column counts for nothing
    scaled, rest = (x - centre) / spread, y - target
    wide = scaled.shape[1] > scaled.shape[0]
    squares, vectors = eigh(scaled @ scaled.T if wide else scaled.T @ scaled)
    kept = squares > 1e-12 * max(float(squares[-1]), 1e-300)
    squares, vectors = squares[kept], vectors[:, kept]
    if not len(squares):  # nothing in x varies
        return Ridge(np.zeros((x.shape[1], y.shape[1])), target, 0.0)
    along = vectors.T @ rest if wide else vectors.T @ (scaled.T @ rest) / np.sqrt(squares)[:, None]  # U^T Y
    explained = (along**2).sum(axis=1)
    left = max(float((rest**2).sum() - explained.sum()), 0.0)
    best, penalty = np.inf, 0.0
    for tried in penalties * squares[-1]:
        shrunk = tried / (squares + tried)
        free = max(1 - (1 + float((1 - shrunk).sum())) / len(x), 1e-9)
        score = (left + float(explained @ shrunk**2)) / free**2
        if score < best:
            best, penalty = score, float(tried)
    inner = along * (np.sqrt(squares) / (squares + penalty))[:, None]  # of V
    right = scaled.T @ (vectors / np.sqrt(squares)) if wide else vectors  # V
    weights = (right @ inner) / spread[:, None]
    return Ridge(weights, target - centre @ weights, penalty)
