r"""Hint (FitNet): the old features, guessed from the new ones by one linear layer.

.. math:: \ell_i = \tfrac{1}{E} \lVert r(F_i) - F^{old}_i \rVert^2

with ``r`` a 1 x 1 convolution of feature maps or a linear layer of feature vectors, over an image's ``E`` elements.
Romero et al., "FitNets: Hints for Thin Deep Nets", 2015, arXiv:1412.6550, eq. 3.

The paper has half the sum where ours is the mean, and a regressor without padding that brings a larger map down to the
old one's size; here the larger of the two is averaged down.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.losses.features.maps import check_feature_shapes, pool_to_smaller
from modelheir.losses.precision import full_precision
from modelheir.losses.seeded_layers import seeded_conv, seeded_linear

__all__ = ["HintLoss"]


class HintLoss(nn.Module):
    """Holds the regressor; it must be trained, averaged over processes and saved with the model.

    Args:
        new_shape: ``(D,)`` or ``(C, H, W)`` of the new model's features.
        old_shape: The same of the old model's, with any sizes.
        seed: Of the first weights; the same on every process.

    Raises:
        InputError: If a shape does not fit, or a vector meets a map.
    """

    def __init__(self, new_shape: Sequence[int], old_shape: Sequence[int], *, seed: int = 0) -> None:
        super().__init__()
        check_feature_shapes(1, 3, new_shape=new_shape, old_shape=old_shape)
        make = seeded_linear if len(new_shape) == 1 else seeded_conv
        self.regressor = make(new_shape[0], old_shape[0], generator=torch.Generator().manual_seed(seed))

    def per_image(self, new: Tensor, old: Tensor) -> Tensor:
        """Return one value an image, ``(N,)``, ``>= 0``, for features ``new`` and ``old``."""
        checks.same_length(new=new, old=old)
        with torch.autocast(new.device.type, enabled=False):
            if new.ndim == 4:
                new, old = pool_to_smaller(new, old)
            guessed = self.regressor(full_precision(new))
            return (guessed - full_precision(old.detach())).square().flatten(1).mean(dim=1)

    def forward(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the scalar loss for features ``new`` and ``old`` of the shapes given at the start."""
        return self.per_image(new, old).mean()
