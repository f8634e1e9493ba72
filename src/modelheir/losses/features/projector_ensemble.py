r"""Projector ensemble (PEFD): the mean of several projections of the new features shall point where the old ones do.

.. math:: f_i = \tfrac{1}{Q} \sum_q \text{ReLU}(W_q x_i + b_q), \qquad \ell_i = 1 - \cos(f_i, x^{old}_i)

Chen et al., "Improved Feature Distillation via Projector Ensemble", 2022, arXiv:2210.15274, sec. 3.

The projectors differ by their first weights only. Where every projector gives zero, or the old features are zero, there
is no direction: the value is 1 and the gradient 0, where the formula divides zero by zero.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.losses.features.maps import check_feature_shapes, unit_length
from modelheir.losses.precision import full_precision
from modelheir.losses.seeded_layers import seeded_linear

__all__ = ["ProjectorEnsembleLoss"]

Pooling = Literal["flatten", "gap"]


class ProjectorEnsembleLoss(nn.Module):
    """Holds the projectors; they must be trained, averaged over processes and saved with the model.

    Args:
        new_shape: ``(D,)`` or ``(C, H, W)`` of the new model's features.
        old_shape: The same of the old model's, with any sizes.
        projectors: ``Q``, ``>= 1``.
        pooling: How maps become vectors: channel means (``"gap"``), or every element (``"flatten"``), which takes
            ``Q C H W C' H' W'`` weights. Vectors stay.
        seed: Of the first weights; the same on every process.

    Raises:
        InputError: If a shape does not fit, or a vector meets a map.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        new_shape: Sequence[int],
        old_shape: Sequence[int],
        *,
        projectors: int = 3,
        pooling: Pooling = "gap",
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_feature_shapes(1, 3, new_shape=new_shape, old_shape=old_shape)
        checks.at_least(1, projectors=projectors)
        checks.one_of(("flatten", "gap"), pooling=pooling)
        self.projectors, self.pooling = projectors, pooling
        inputs, outputs = (math.prod(s) if pooling == "flatten" else s[0] for s in (new_shape, old_shape))
        generator = torch.Generator().manual_seed(seed)
        self.projection = seeded_linear(inputs, projectors * outputs, generator=generator, relu=True)

    def per_image(self, new: Tensor, old: Tensor) -> Tensor:
        """Return one value an image, ``(N,)``, from 0 (same direction) to 2, for features ``new`` and ``old``."""
        checks.same_length(new=new, old=old)
        with torch.autocast(new.device.type, enabled=False):
            new, old = self._vectors(full_precision(new)), self._vectors(full_precision(old.detach()))
            each = self.projection(new).relu().unflatten(1, (self.projectors, -1))
            return (1 - (unit_length(each.mean(dim=1)) * unit_length(old)).sum(dim=1)).clamp_min(0)

    def forward(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the scalar loss for features ``new`` and ``old`` of the shapes given at the start."""
        return self.per_image(new, old).mean()

    def _vectors(self, features: Tensor) -> Tensor:
        if self.pooling == "gap" and features.ndim == 4:
            return features.mean(dim=(2, 3))
        return features.flatten(1)
