"""A ResNet without its classifier: the maps after each stage, and their pooled features.

He et al., "Deep Residual Learning for Image Recognition", 2016, arXiv:1512.03385. The layers are torchvision's (in
bottlenecks the stride is on the 3x3 convolution) and keep its names, ``conv1`` to ``layer4``. Ours differs: features
are pooled by a mean over the spatial axes, which has a fast batching rule under ``torch.func.vmap``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn
from torchvision.models import get_model

from modelheir import checks

__all__ = ["ResNetBody", "Stem", "resnet_body"]

Stem = Literal["standard", "small"]


class ResNetBody(nn.Module):
    """Stem and four stages of a ResNet; ``feature_size`` is the width ``D`` of its pooled features."""

    def __init__(
        self, *, conv1: nn.Module, bn1: nn.Module, maxpool: nn.Module, stages: Sequence[nn.Sequential]
    ) -> None:
        """Join a stem and four stages, each a sequence of torchvision blocks."""
        super().__init__()
        self.conv1, self.bn1, self.relu, self.maxpool = conv1, bn1, nn.ReLU(inplace=True), maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.stage_sizes = tuple(_width(stage) for stage in stages)
        self.feature_size = self.stage_sizes[-1]

    def forward_stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four maps after ``layer1`` to ``layer4`` for ``x`` of shape ``(N, channels, H, W)``."""
        one = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        two = self.layer2(one)
        three = self.layer3(two)
        return one, two, three, self.layer4(three)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the pooled features, ``(N, D)``."""
        return self.forward_stages(x)[-1].mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return :meth:`forward_features`."""
        return self.forward_features(x)


def resnet_body(name: str, *, pretrained: bool = False, stem: Stem = "standard", **kwargs: Any) -> ResNetBody:
    """Build the body of a torchvision ResNet, ResNeXt or Wide ResNet.

    Args:
        name: Its torchvision name, such as ``resnet18``.
        pretrained: Load torchvision's default ImageNet weights.
        stem: ``standard`` is 7x7 with stride 2 and a max-pool; ``small`` is 3x3 with stride 1 and no pool, for
            images of about 32 pixels.
        **kwargs: Further arguments of :class:`torchvision.models.ResNet`.

    Returns:
        The body; ``feature_size`` is 512 with basic blocks and 2048 with bottlenecks.

    Raises:
        ValueError: If pretrained weights are asked for with the small stem, which they do not fit.

    Example:
        >>> resnet_body("resnet18").feature_size
        512
    """
    checks.one_of(("standard", "small"), stem=stem)
    if pretrained and stem == "small":
        raise ValueError("pretrained weights fit the standard stem only, got stem 'small'")
    net: Any = get_model(name, weights="DEFAULT" if pretrained else None, **kwargs)
    conv1, maxpool = net.conv1, net.maxpool
    if stem == "small":
        conv1, maxpool = nn.Conv2d(3, conv1.out_channels, 3, padding=1, bias=False), nn.Identity()
        nn.init.kaiming_normal_(conv1.weight, mode="fan_out", nonlinearity="relu")
    return ResNetBody(
        conv1=conv1, bn1=net.bn1, maxpool=maxpool, stages=(net.layer1, net.layer2, net.layer3, net.layer4)
    )


def _width(stage: nn.Sequential) -> int:
    """Return the channels that a stage puts out: those of its last convolution."""
    return [part.out_channels for part in stage[-1].modules() if isinstance(part, nn.Conv2d)][-1]
