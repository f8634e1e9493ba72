r"""Similarity preserving (SP): images that excite the old model alike shall excite the new one alike.

.. math:: \ell_i = \tfrac{1}{B} \lVert \bar G_i - \bar G^{old}_i \rVert^2, \qquad G = F F^\top, \quad
          \bar G_i = G_i / \lVert G_i \rVert

with the features of ``B`` images flattened to the rows of ``F``. The mean of the values is the loss.
Tung and Mori, "Similarity-Preserving Knowledge Distillation", 2019, arXiv:1907.09682, sec. 3.
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.features.maps import unit_length
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["similarity_preserving"]


def similarity_preserving(new: Tensor, old: Tensor, *, gather: Gather | None = None) -> Tensor:
    """Measure how badly each image's similarities to the batch are kept.

    Args:
        new: Features of the model in training, shape ``(N, D)`` or maps, which are flattened. Gradients flow here only.
        old: Features of the frozen model, ``(N, D')`` or maps; the widths may differ.
        gather: Concatenates a tensor over all processes with gradient, as :func:`all_gather`, where similarities are
            those to the whole batch; ``None`` takes this process's images.

    Returns:
        One value an image of this process, ``>= 0``, at most ``4 / B``, shape ``(N,)``; their mean is the loss.

    Raises:
        ValueError: If the lengths differ.

    Example:
        >>> new, old = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [-1.0]])
        >>> similarity_preserving(new, old)
        tensor([0.2929, 0.2929])
    """
    checks.same_length(new=new, old=old)
    with torch.autocast(new.device.type, enabled=False):
        new, old = (_similarities(full_precision(one).flatten(1), gather) for one in (new, old.detach()))
        return (new - old).square().mean(dim=1)


def _similarities(features: Tensor, gather: Gather | None) -> Tensor:
    whole = features if gather is None else gather(features)
    return unit_length(features @ whole.T)
