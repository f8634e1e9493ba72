r"""Variational information distillation (VID): the old features, guessed from the new ones with a learned certainty.

.. math:: \ell_i = \tfrac{1}{E} \sum_e \Bigl[ \log \sigma_{c(e)}
          + \frac{(F^{old}_{ie} - \mu_e(F_i))^2}{2 \sigma_{c(e)}^2} \Bigr], \qquad
          \sigma_c^2 = \epsilon + \log(1 + e^{a_c})

with one variance a channel ``c(e)`` and ``mu`` two 1 x 1 convolutions of feature maps, or two linear layers of feature
vectors, with a ReLU between; it has the old features' width inside.
Ahn et al., "Variational Information Distillation for Knowledge Transfer", 2019, arXiv:1904.05835, sec. 2.

The paper sums over elements where ours is the mean, and its public code has a third layer in ``mu``. The value can be
negative: a Gaussian's density is above 1 where it is narrow. The larger map is averaged down to the smaller.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelheir import checks
from modelheir.losses.features.maps import check_feature_shapes, pool_to_smaller
from modelheir.losses.precision import full_precision
from modelheir.losses.seeded_layers import seeded_conv, seeded_linear

__all__ = ["VariationalInformationLoss"]

_LEAST_VARIANCE = 1e-5


class VariationalInformationLoss(nn.Module):
    """Holds the guess and the variances; they must be trained, averaged over processes and saved with the model.

    Args:
        new_shape: ``(D,)`` or ``(C, H, W)`` of the new model's features.
        old_shape: The same of the old model's, with any sizes.
        first_variance: Of every channel at the start, ``>= 0.001``, in the old features' squared unit.
        seed: Of the first weights; the same on every process.

    Raises:
        InputError: If a shape does not fit, or a vector meets a map.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self, new_shape: Sequence[int], old_shape: Sequence[int], *, first_variance: float = 5.0, seed: int = 0
    ) -> None:
        super().__init__()
        check_feature_shapes(1, 3, new_shape=new_shape, old_shape=old_shape)
        checks.at_least(0.001, first_variance=first_variance)
        generator, width = torch.Generator().manual_seed(seed), old_shape[0]
        make = seeded_linear if len(new_shape) == 1 else seeded_conv
        first = make(new_shape[0], width, generator=generator, relu=True)
        self.mean = nn.Sequential(first, nn.ReLU(), make(width, width, generator=generator))
        softened = math.log(math.expm1(first_variance - _LEAST_VARIANCE))
        self.softened_variance = nn.Parameter(torch.full((width,), softened))

    @property
    def variance(self) -> Tensor:
        """The variance of each old channel, ``(C',)``."""
        return functional.softplus(self.softened_variance) + _LEAST_VARIANCE

    def per_image(self, new: Tensor, old: Tensor) -> Tensor:
        """Return one value an image, ``(N,)``, in nats an element without a constant, for ``new`` and ``old``."""
        checks.same_length(new=new, old=old)
        with torch.autocast(new.device.type, enabled=False):
            if new.ndim == 4:
                new, old = pool_to_smaller(new, old)
            square = (full_precision(old.detach()) - self.mean(full_precision(new))).square()
            variance = self.variance.view(-1, *(1,) * (square.ndim - 2))
            return (variance.log() + square / variance).flatten(1).mean(dim=1) / 2

    def forward(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the scalar loss for features ``new`` and ``old`` of the shapes given at the start."""
        return self.per_image(new, old).mean()
