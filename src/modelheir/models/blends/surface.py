r"""Models of a plane of weights, scored one by one: the loss around a training, or around what averages came to.

.. math:: \theta(a, b) = \theta_0 + a\, p_1 + b\, p_2

Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018, arXiv:1712.09913, Section 7, take the first two
principal components of a training, as here; Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
Generalization", 2018, arXiv:1803.05407, Figure 1, a plane through three models. Ours differs: statistics of batch
normalisation, which no point of the plane has had, are estimated anew at each of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from modelheir.models.blends.interpolation import recalibrate
from modelheir.types import Batch

__all__ = ["score_plane"]


@torch.no_grad()
def score_plane(
    model: nn.Module,
    directions: Mapping[str, Tensor],
    origin: Mapping[str, Tensor],
    score: Callable[[nn.Module], float],
    *,
    x: Sequence[float],
    y: Sequence[float],
    batches: Callable[[], Iterable[Batch]] | None = None,
) -> np.ndarray:
    """Score the models of a grid of a plane.

    Args:
        model: Of the architecture; its other parameters and buffers are those of every point. It stays as it is.
        directions: ``p_1`` and ``p_2`` of each parameter that moves, by its plain name, ``(2, *shape)``.
        origin: ``theta_0`` of the same parameters, ``(*shape)``.
        score: From a model in evaluation mode to a number, such as its loss on the selection images.
        x: Values of ``a``.
        y: Values of ``b``.
        batches: Gives training images each time it is called, to estimate statistics of batch normalisation at every
            point; without it, they stay those of ``model``.

    Returns:
        ``(len(y), len(x))``, a row a ``y``; what is not finite becomes nan.

    Raises:
        ValueError: If the model has no such parameter, or of another shape.
    """
    moved = copy.deepcopy(model).eval()
    parameters = dict(moved.named_parameters())
    rows = []
    for name, both in directions.items():
        if name not in parameters or both.shape != (2, *parameters[name].shape) or origin[name].shape != both.shape[1:]:
            raise ValueError(f"the directions of {name!r} do not fit the model")
        like = parameters[name]
        rows.append((like, both.to(like), origin[name].to(like)))
    found = np.empty((len(y), len(x)))
    for row, b in enumerate(y):
        for column, a in enumerate(x):
            for parameter, both, start in rows:
                parameter.copy_(start + float(a) * both[0] + float(b) * both[1])
            if batches is not None:
                recalibrate(moved, batches())
            found[row, column] = score(moved)
    return np.where(np.isfinite(found), found, np.nan)
