r"""Further heads on one body: auxiliary heads on inner stages, or parallel heads on the same features.

.. math:: z^{avg} = \tfrac{1}{1 + A} \Big(z + \sum_{a=1}^{A} z^{a}\Big), \qquad
          z^{max}_k = \max(z_k, z^{1}_k, \dots, z^{A}_k)

Auxiliary heads follow Szegedy et al., "Going Deeper with Convolutions", 2015, arXiv:1409.4842, section 5. Ours
differs: they sit after stage 3 and stage 4 of a ResNet, pool to 4x4 whatever the map's size, and normalise after the
1x1 convolution. A mean runs over the heads that exist (three heads are divided by three).

A body that has further heads says so by two members beside ``feature_size`` and ``forward_features``:
``auxiliary_sizes``, the input width of each further linear head, and ``forward_auxiliary(x)``, which returns the main
features and the input of each further head. The linear layers themselves belong to the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.models.bodies.resnet_body import ResNetBody, resnet_body

__all__ = ["AuxiliaryBody", "AuxiliaryNeck", "BranchBody", "combine_heads", "resnet_auxiliary", "resnet_branches"]


def combine_heads(logits: Tensor, auxiliary: Sequence[Tensor], how: Literal["none", "avg", "max"] = "avg") -> Tensor:
    """Combine the logits of all heads for evaluation.

    Args:
        logits: Of the main head, ``(N, C)``.
        auxiliary: Of each further head, ``(N, C)`` each; may be empty.
        how: ``none`` returns the main head's; ``avg`` the mean over all heads that exist, the main one included;
            ``max`` the largest value of each class.

    Returns:
        Logits, ``(N, C)``.

    Raises:
        ValueError: If shapes differ or ``how`` is unknown.

    Example:
        >>> combine_heads(torch.tensor([[3.0, 0.0]]), [torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 6.0]])])
        tensor([[1., 2.]])
    """
    checks.one_of(("none", "avg", "max"), how=how)
    checks.same_shape(logits=logits, **{f"auxiliary[{number}]": head for number, head in enumerate(auxiliary)})
    if how == "none" or not auxiliary:
        return logits
    heads = torch.stack((logits, *auxiliary))
    return heads.mean(dim=0) if how == "avg" else heads.amax(dim=0)


class AuxiliaryNeck(nn.Module):
    """From a stage's map to the input of an auxiliary head: 1x1 convolution, 4x4 pool, hidden layer, dropout."""

    def __init__(self, channels: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 128, 1, bias=False)
        self.norm = nn.BatchNorm2d(128)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.hidden = nn.Linear(128 * 4 * 4, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, width)`` for a map ``(N, channels, H, W)``."""
        x = self.pool(torch.relu(self.norm(self.conv(x)))).flatten(1)
        return self.dropout(torch.relu(self.hidden(x)))


class AuxiliaryBody(nn.Module):
    """A ResNet body with auxiliary necks after stage 4 and stage 3, in this order."""

    def __init__(self, body: ResNetBody, *, width: int = 1024, dropout: float = 0.7) -> None:
        """Wrap ``body``.

        Args:
            body: The ResNet.
            width: Of the hidden layer of each neck.
            dropout: Share of hidden values dropped in training, 0 to 1.
        """
        super().__init__()
        checks.at_least(1, width=width)
        checks.in_range(0, 1, dropout=dropout)
        self.body, self.feature_size, self.auxiliary_sizes = body, body.feature_size, (width, width)
        self.neck4 = AuxiliaryNeck(body.stage_sizes[3], width=width, dropout=dropout)
        self.neck3 = AuxiliaryNeck(body.stage_sizes[2], width=width, dropout=dropout)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the main features, ``(N, D)``."""
        return self.body.forward_features(x)

    def forward_auxiliary(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the main features and the inputs of the heads after stage 4 and stage 3."""
        _, _, three, four = self.body.forward_stages(x)
        return four.mean(dim=(2, 3)), (self.neck4(four), self.neck3(three))

    def forward(self, x: Tensor) -> Tensor:
        """Return :meth:`forward_features`."""
        return self.forward_features(x)


class BranchBody(nn.Module):
    """A body whose pooled features feed several parallel linear heads."""

    def __init__(self, body: ResNetBody, *, branches: int = 3) -> None:
        """Wrap ``body``; ``branches`` counts all heads, the main one included, ``>= 1``."""
        super().__init__()
        checks.at_least(1, branches=branches)
        self.body, self.feature_size = body, body.feature_size
        self.auxiliary_sizes = (body.feature_size,) * (branches - 1)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the features, ``(N, D)``."""
        return self.body.forward_features(x)

    def forward_auxiliary(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the features, and the same features once for each further head."""
        features = self.body.forward_features(x)
        return features, (features,) * len(self.auxiliary_sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Return :meth:`forward_features`."""
        return self.forward_features(x)


def resnet_auxiliary(name: str, *, width: int = 1024, dropout: float = 0.7, **kwargs: Any) -> AuxiliaryBody:
    """Build a ResNet with auxiliary heads after stage 3 and 4.

    Args:
        name: A torchvision name, such as ``resnet18``.
        width: Of the hidden layer of each auxiliary head.
        dropout: In the auxiliary heads, 0 to 1.
        **kwargs: As in :func:`~modelheir.models.bodies.resnet_body.resnet_body`.
    """
    return AuxiliaryBody(resnet_body(name, **kwargs), width=width, dropout=dropout)


def resnet_branches(name: str, *, branches: int = 3, **kwargs: Any) -> BranchBody:
    """Build a ResNet with ``branches`` parallel linear heads on its pooled features.

    Args:
        name: A torchvision name, such as ``resnet18``.
        branches: All heads, the main one included, ``>= 1``.
        **kwargs: As in :func:`~modelheir.models.bodies.resnet_body.resnet_body`.
    """
    return BranchBody(resnet_body(name, **kwargs), branches=branches)
