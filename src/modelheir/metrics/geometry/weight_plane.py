r"""Where a model's weights stand between three others: how much of history they keep, and how little data they show.

.. math:: \Bigl(\frac{\langle w - w^*, d_1 \rangle}{\lVert d_1 \rVert},\ \frac{\langle w - w^*, d_2 \rangle}{\lVert d_2
          \rVert}\Bigr), \qquad d_1 = w_{history} - w^*,\ d_2 = w_{baseline} - w^*

layer by layer, and over all layers joined; ``w*`` is the oracle, trained on plenty of the final step. Ji, Alaa and
Sontag, 2024, arXiv:2407.09642, section on weight projections. The axes are not at right angles: the history model is at
``(|d_1|, <d_1, d_2> / |d_2|)``, the baseline at ``(<d_1, d_2> / |d_1|, |d_2|)``, the oracle at ``(0, 0)``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["weight_change", "weight_coordinates"]

Layers = Mapping[str, np.ndarray]  #: layer -> its weights in one row


def weight_coordinates(
    weights: Layers, *, oracle: Layers, history: Layers, baseline: Layers, whole: str = "entire model"
) -> dict[str, tuple[float, float]]:
    """Return the coordinates of a model, layer by layer and joined.

    Args:
        weights: Of the model, as :func:`modelheir.models.blends.layer_vectors` gives them; the others the same way.
        oracle: Of the model trained on plenty of the final step.
        history: Of the model trained on the steps before.
        baseline: Of the model trained on the little there is of the final step.
        whole: What to call all layers joined.

    Returns:
        Layer -> coordinates along the shift and along the want of data, in the unit of weights; ``whole`` is last. NaN
        where the oracle and the model that names an axis do not differ.

    Raises:
        ValueError: If layers or their sizes differ.

    Example:
        >>> row = lambda *values: {"fc": np.array(values)}
        >>> weight_coordinates(row(1.0, 2.0), oracle=row(0.0, 0.0), history=row(4.0, 0.0), baseline=row(0.0, 3.0))["fc"]
        (1.0, 2.0)
    """
    w, star, past, few = _joined([weights, oracle, history, baseline], whole)
    return {
        layer: (_along(w[layer], past[layer], origin=at), _along(w[layer], few[layer], origin=at))
        for layer, at in star.items()
    }


def weight_change(steps: Sequence[Layers], *, whole: str = "entire model") -> dict[str, tuple[float, ...]]:
    """Return how far each layer moves from each time step to the next.

    Args:
        steps: Weights of the ``S`` models of a sequence, in order; two or more.
        whole: What to call all layers joined.

    Returns:
        Layer -> ``S - 1`` Euclidean lengths; their root of the sum of squares is the size of the penalty between
        neighbouring steps. ``whole`` is last.

    Raises:
        ValueError: If layers or their sizes differ.

    Example:
        >>> weight_change([{"fc": np.array([0.0, 0.0])}, {"fc": np.array([3.0, 4.0])}])["fc"]
        (5.0,)
    """
    every = _joined(steps, whole)
    return {
        layer: tuple(
            float(np.linalg.norm(later[layer] - earlier[layer])) for earlier, later in itertools.pairwise(every)
        )
        for layer in every[0]
    }


def _joined(several: Sequence[Layers], whole: str) -> list[dict[str, np.ndarray]]:
    """Check that all have the same layers, and add all of them in one row."""
    found = []
    for one in several:
        rows = {layer: np.asarray(row, np.float64).ravel() for layer, row in one.items()}
        found.append({**rows, whole: np.concatenate(list(rows.values()))})
        sizes = {layer: len(row) for layer, row in found[-1].items()}
        first = {layer: len(row) for layer, row in found[0].items()}
        if list(sizes.items()) != list(first.items()):
            raise ValueError(f"models must have the same layers of the same sizes: {first} and {sizes}")
    return found


def _along(weights: np.ndarray, end: np.ndarray, *, origin: np.ndarray) -> float:
    move, axis = weights - origin, end - origin
    length = float(np.linalg.norm(axis))
    return float(move @ axis) / length if length > 0 else float("nan")
