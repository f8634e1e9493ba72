r"""Classifier layers: linear, cosine, and the convolutional one of SqueezeNet.

.. math:: z_k = \frac{1}{t} \frac{w_k \cdot f}{\lVert w_k \rVert \, \lVert f \rVert} \qquad \text{(cosine)}

with features ``f`` and temperature ``t``. Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification",
2017, arXiv:1704.06369, section 3.2, with the scale fixed to ``1 / t``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir import checks

__all__ = ["ConvHead", "CosineHead", "cosine_logits", "make_head"]


def cosine_logits(features: Tensor, weight: Tensor, *, temperature: float = 0.01) -> Tensor:
    """Compare the direction of features with each class's direction.

    Args:
        features: ``(N, D)``.
        weight: One direction a class, ``(C, D)``; lengths do not matter.
        temperature: Divides the cosines, ``> 0``.

    Returns:
        Logits ``(N, C)`` from ``-1 / temperature`` to ``1 / temperature``, in float32 or wider.

    Raises:
        ValueError: If a shape or the temperature does not fit.

    Example:
        >>> cosine_logits(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]]), temperature=0.5)
        tensor([[2., 0.]])
    """
    checks.two_dimensional(features=features, weight=weight)
    checks.above(0, temperature=temperature)
    wide = torch.promote_types(features.dtype, torch.float32)
    features, weight = F.normalize(features.to(wide), dim=1), F.normalize(weight.to(wide), dim=1)
    with torch.autocast(features.device.type, enabled=False):
        return features @ weight.T / temperature


class CosineHead(nn.Module):
    """Keeps the class directions and calls :func:`cosine_logits`."""

    bias = None

    def __init__(self, in_features: int, out_features: int, *, temperature: float = 0.01) -> None:
        super().__init__()
        checks.above(0, temperature=temperature)
        self.in_features, self.out_features, self.temperature = in_features, out_features, temperature
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw directions evenly over the sphere."""
        nn.init.normal_(self.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``(N, C)`` for features ``(N, D)``."""
        return cosine_logits(features, self.weight, temperature=self.temperature)


class ConvHead(nn.Module):
    """A 1x1 convolution, ReLU and mean over positions: takes the maps ``(N, D, H, W)`` themselves, not features."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.in_features, self.out_features = conv.in_channels, conv.out_channels

    def reset_parameters(self) -> None:
        """Draw the weights anew, the bias at zero."""
        nn.init.normal_(self.conv.weight, std=0.01)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits ``(N, C)``."""
        return torch.relu(self.conv(maps)).mean(dim=(2, 3))


def make_head(kind: str, in_features: int, out_features: int, *, temperature: float = 0.01) -> nn.Module:
    """Return a new ``linear`` or ``cosine`` classifier layer."""
    checks.one_of(("linear", "cosine"), head=kind)
    if kind == "cosine":
        return CosineHead(in_features, out_features, temperature=temperature)
    return nn.Linear(in_features, out_features)
