r"""How alike two layers represent the same inputs: canonical correlations of their strongest singular directions.

With the centred activations ``X = U S V^T``, one row an input, and the fewest directions ``k`` whose singular values
exceed a share (the level) of the sum of all of them,

.. math:: \rho = \mathrm{svd}\bigl(D_a U_a^\top U_b D_b\bigr), \qquad
          D_{ii}^2 = \frac{s_i^2}{s_i^2 + \varepsilon s_1^2}

Raghu et al., "SVCCA: Singular Vector Canonical Correlation Analysis for Deep Learning Dynamics and Interpretability",
2017, arXiv:1706.05806, section 2; levels and ``epsilon`` as Ji, Alaa and Sontag, 2024, arXiv:2407.09642 have them.
Singular directions are uncorrelated, so no covariance is inverted: the formula is what inverting it after adding
``epsilon`` comes to. Ours differs from the paper, and is as the benchmark: singular values are summed, not their
squares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = ["Directions", "directions", "mean_correlations", "svcca"]


class Directions(NamedTuple):
    """The singular directions of one layer on ``N`` inputs, strongest first; ``K`` of them have any strength."""

    strengths: np.ndarray  #: ``(K,)`` singular values, above 0
    vectors: np.ndarray  #: ``(N, K)``, orthonormal columns, each of mean 0 over the inputs


def directions(activations: np.ndarray) -> Directions:
    """Find the singular directions of a layer.

    Args:
        activations: Shape ``(N, ...)``: channels and positions are neurons alike. Of more neurons than inputs only the
            ``N x N`` products are decomposed.

    Returns:
        At most ``N - 1`` directions; those weaker than rounding (1e-7 of the strongest) are left out.

    Raises:
        ValueError: If there are fewer than two inputs, or a value is not finite.

    Example:
        >>> directions(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])).strengths.round(3).tolist()
        [2.828]
    """
    from scipy.linalg import eigh

    x = np.asarray(activations, np.float64).reshape(len(activations), -1)
    checks.at_least(2, inputs=len(x))
    if not np.isfinite(x).all():
        raise ValueError("activations must be finite")
    x = x - x.mean(axis=0)
    wide = x.shape[1] > x.shape[0]
    squares, vectors = eigh(x @ x.T if wide else x.T @ x)
    squares, vectors = squares[::-1], vectors[:, ::-1]
    kept = squares > 1e-14 * max(float(squares[0]), 1e-300)
    strengths, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    return Directions(strengths, vectors if wide else x @ vectors / strengths)


def svcca(one: Directions, other: Directions, *, level: float, epsilon: float = 1e-10) -> np.ndarray:
    """Return the canonical correlations of two layers on the same inputs.

    Args:
        one: Directions of a layer.
        other: Directions of another layer, or of the same in another model, on the same ``N`` inputs in the same order.
        level: Share of the sum of the singular values that the directions kept must exceed, 0 up to below 1.
        epsilon: Added to variances that are scaled to at most 1, ``>= 0``; directions with less are left out.

    Returns:
        ``(min(k_one, k_other),)``, 0 to 1, largest first, higher is more alike; empty for a layer that is constant.

    Raises:
        ValueError: If the inputs are not as many, or a setting is out of range.

    Example:
        >>> x = directions(np.array([[0.0], [1.0], [5.0]]))
        >>> svcca(x, x, level=0.5).round(6).tolist()
        [1.0]
    """
    checks.in_range(0, 1, level=level)
    checks.at_least(0, epsilon=epsilon)
    if level == 1:
        raise ValueError("level must be below 1: no directions hold more than everything")
    checks.same_length(one=one.vectors, other=other.vectors)
    a, b = (_weighed(each, level, epsilon) for each in (one, other))
    if not a.shape[1] or not b.shape[1]:
        return np.zeros(0)
    return np.linalg.svd(a.T @ b, compute_uv=False)


def mean_correlations(
    model: Mapping[str, Directions],
    oracle: Mapping[str, Directions],
    *,
    levels: Sequence[float] = (0.5, 0.9),
    whole: str = "entire model",
) -> dict[str, tuple[float, ...]]:
    """Place each layer of a model by how alike it is to the oracle's: the mean correlation at each level.

    Args:
        model: Layer -> its directions on some inputs.
        oracle: The same layers of the oracle, on the same inputs. Both must be run in evaluation mode: batch
            statistics of the inputs would make any two models more alike.
        levels: As :func:`svcca` takes them.
        whole: What to call the mean over layers.

    Returns:
        Layer -> coordinates, one a level, 0 to 1, NaN for a constant layer; ``whole`` is last. The oracle is at 1.

    Raises:
        ValueError: If the layers differ.
    """
    if list(model) != list(oracle):
        raise ValueError(f"layers must be the same: the model has {list(model)}, the oracle {list(oracle)}")
    found: dict[str, tuple[float, ...]] = {}
    for layer, own in model.items():
        rho = [svcca(own, oracle[layer], level=level) for level in levels]
        found[layer] = tuple(float(one.mean()) if len(one) else float("nan") for one in rho)
    found[whole] = tuple(float(one) for one in np.mean(list(found.values()), axis=0))
    return found


def _weighed(given: Directions, level: float, epsilon: float) -> np.ndarray:
    strengths, vectors = given
    if not len(strengths):
        return vectors
    held = np.cumsum(strengths) / strengths.sum()
    count = min(int(np.searchsorted(held, level, side="right")) + 1, len(strengths))
    variances = (strengths[:count] / strengths[0]) ** 2
    kept = variances >= epsilon
    return vectors[:, :count][:, kept] * np.sqrt(variances / (variances + epsilon))[kept]
