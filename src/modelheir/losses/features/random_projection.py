r"""Random projection: new and old features must agree after each is projected to a few dimensions.

.. math:: \ell_n = \tfrac{1}{r} \lVert R_{new} f_n - R_{old} f^{old}_n \rVert^2

``R_old`` is drawn once from a Gaussian of standard deviation ``sqrt(1 / r)`` and never moves; ``R_new`` is drawn the
same way and learned, kept, or is ``R_old`` itself. The two models' feature widths may differ.
Johnson and Lindenstrauss, 1984: such a map keeps distances. As a loss for updates it comes from the earlier public
code of positive-congruent training.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["RandomProjectionLoss", "random_projection"]

NewProjection = Literal["learnable", "frozen", "shared"]


def random_projection(new: Tensor, old: Tensor) -> Tensor:
    """Measure the squared distance of each image's projected features.

    Args:
        new: Projected features of the model in training, shape ``(N, r)``. Gradients flow here only.
        old: Projected features of the frozen model, shape ``(N, r)``.

    Returns:
        Mean over the ``r`` dimensions, ``>= 0``, shape ``(N,)``; not reduced over images.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> random_projection(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([2.])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    return (full_precision(new) - full_precision(old.detach())).square().mean(dim=1)


class RandomProjectionLoss(nn.Module):
    """Holds both projections; a learnable one must be trained, averaged over processes and saved with the model.

    Args:
        new_features: Width ``D`` of the new model's features.
        old_features: Width ``D'`` of the old model's features; must equal ``D`` where the projection is shared.
        width: ``r``, the dimensions compared, ``>= 1``.
        new_projection: ``"learnable"``, ``"frozen"``, or ``"shared"``: the old projection serves both.
        normalize: Scale the columns of each projection, one a feature, to unit length.
        bias: Add a vector to each projection: zero at first, so it matters only to a learnable one.
        seed: Of the draw; the same on every process.

    Raises:
        ValueError: If a setting is out of range, or a shared projection meets two widths.
    """

    old_weight: Tensor

    def __init__(
        self,
        new_features: int,
        old_features: int,
        *,
        width: int = 128,
        new_projection: NewProjection = "learnable",
        normalize: bool = False,
        bias: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        checks.at_least(1, new_features=new_features, old_features=old_features, width=width)
        checks.one_of(("learnable", "frozen", "shared"), new_projection=new_projection)
        if new_projection == "shared" and new_features != old_features:
            raise ValueError(
                f"a shared projection needs equal feature widths, got {new_features} and {old_features}: take "
                "learnable or frozen"
            )
        generator = torch.Generator().manual_seed(seed)
        self.normalize = normalize
        self.register_buffer("old_weight", torch.randn(width, old_features, generator=generator) / width**0.5)
        drawn = torch.randn(width, new_features, generator=generator) / width**0.5
        learnable = new_projection == "learnable"
        self.new_weight = None if new_projection == "shared" else nn.Parameter(drawn, requires_grad=learnable)
        self.new_bias = nn.Parameter(torch.zeros(width)) if bias and learnable else None

    def per_image(self, new: Tensor, old: Tensor) -> Tensor:
        """Return one value an image, ``(N,)``, for features ``new`` ``(N, D)`` and ``old`` ``(N, D')``."""
        new_weight = self.old_weight if self.new_weight is None else self.new_weight
        with torch.autocast(new.device.type, enabled=False):
            return random_projection(
                self._project(full_precision(new), new_weight, self.new_bias),
                self._project(full_precision(old.detach()), self.old_weight, None),
            )

    def forward(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the scalar loss for features ``new`` ``(N, D)`` and ``old`` ``(N, D')``."""
        return self.per_image(new, old).mean()

    def _project(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.normalize:
            weight = functional.normalize(weight, dim=0)
        return functional.linear(features, weight, bias)
