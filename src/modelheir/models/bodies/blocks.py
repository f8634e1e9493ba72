r"""Three families of networks made of a stem, ``B`` blocks and a head, for images of about 32 pixels.

All begin with a 7x7 convolution of stride 2 to 64 channels, batch normalisation, ReLU and a 3x3 max-pool of stride 2,
and end in a mean over positions. Blocks differ:

- ``convnet``: one 3x3 convolution and batch normalisation, with no ReLU and no pooling;
- ``resnet``: two residual blocks of two 3x3 convolutions (He et al., 2016, arXiv:1512.03385); ``B = 4`` is ResNet-18;
- ``densenet``: 16 (``B = 1``), 6 and 16, 6, 12 and 16, or 6, 12, 24 and 16 dense layers of growth 32 (Huang et al.,
  2017, arXiv:1608.06993); every block but the last ends in a transition to half the channels and half the resolution.

The first two have 512 channels at the end and strides of ``B - 3`` ones before twos; further dense blocks have 24
layers. Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642, compare these for ``B`` of 1 to 4. Weights begin as
torch's layers do. Ours differs: dense blocks keep maps of one position where there is nothing left to halve.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock

from modelheir import checks
from modelheir.checks import InputError
from modelheir.models.files.fit_weights import fit_weights, from_library

__all__ = ["FAMILIES", "BlocksBody", "DenseLayer", "Transition", "blocks_convnet", "blocks_densenet", "blocks_resnet"]

_STEM = 64  #: channels
_GROWTH, _BOTTLENECK = 32, 128  #: channels that a dense layer adds, and those between its two convolutions

#: names of the families as networks
FAMILIES = ("blocks_convnet", "blocks_densenet", "blocks_resnet")


class BlocksBody(nn.Module):
    """Stem ``conv1``, blocks ``layer1`` to ``layerB``, and what a head reads them through; see the file."""

    #: our parameter prefix -> torchvision's, as in its ResNets
    layout: Mapping[str, str] = {"head": "fc", "body.conv1.0": "conv1", "body.conv1.1": "bn1", "body": ""}

    def __init__(
        self, family: str, blocks: Sequence[nn.Module], shapes: Sequence[tuple[int, int, int]], *, dropout: float
    ) -> None:
        """Put blocks behind a stem.

        Args:
            family: ``convnet``, ``densenet`` or ``resnet``.
            blocks: Maps to maps, the first from 64 channels.
            shapes: Channels in, channels out and stride of each block.
            dropout: Share of the values that are dropped behind the stem and every block in training, 0 to 1.
        """
        super().__init__()
        checks.in_range(0, 1, dropout=dropout)
        self.family, self.dropout, self.shapes = family, dropout, tuple(shapes)
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, _STEM, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(_STEM),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.layers = [f"layer{number}" for number in range(1, len(blocks) + 1)]
        for name, block in zip(self.layers, blocks, strict=True):
            self.add_module(name, block)
        self.feature_size = self.shapes[-1][1]
        dense = family == "densenet"
        # called so since it belongs to the head
        self.neck = nn.Sequential(nn.BatchNorm2d(self.feature_size), nn.ReLU(inplace=True)) if dense else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(N, D)`` of images ``(N, 3, H, W)``."""
        x = images
        for name in ("conv1", *self.layers):
            x = F.dropout(self.get_submodule(name)(x), self.dropout, self.training)
        return self.neck(x).mean(dim=(2, 3))

    def forward_features(self, images: Tensor) -> Tensor:
        """Return :meth:`forward`."""
        return self(images)


class DenseLayer(nn.Module):
    """Batch normalisation, ReLU and convolution twice (1x1, then 3x3); its 32 channels join those that came in."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inner), nn.BatchNorm2d(_BOTTLENECK)
        self.conv1 = nn.Conv2d(inner, _BOTTLENECK, 1, bias=False)
        self.conv2 = nn.Conv2d(_BOTTLENECK, _GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with 32 further channels."""
        found = self.conv1(torch.relu(self.norm1(x)))
        return torch.cat((x, self.conv2(torch.relu(self.norm2(found)))), dim=1)


class Transition(nn.Module):
    """Batch normalisation, ReLU, a 1x1 convolution to half the channels, and means of 2x2 positions."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inner), nn.Conv2d(inner, inner // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return half the channels at half the resolution; a side of one position stays."""
        x = self.conv(torch.relu(self.norm(x)))
        return F.avg_pool2d(x, 2) if min(x.shape[-2:]) > 1 else x


def blocks_convnet(*, blocks: int = 4, dropout: float = 0.0, pretrained: bool = False) -> BlocksBody:
    """Build ``blocks`` (``>= 1``) of one convolution; ``dropout`` as in :class:`BlocksBody`.

    Raises:
        InputError: If pretrained weights are asked for: there are none.

    Example:
        >>> body = blocks_convnet(blocks=2)
        >>> sum(p.numel() for p in body.parameters()) + 10 * (body.feature_size + 1)
        679498
    """
    _no_pretrained("blocks_convnet", pretrained)
    shapes = _shapes(blocks)
    made = [
        nn.Sequential(nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(b))
        for a, b, stride in shapes
    ]
    return BlocksBody("convnet", made, shapes, dropout=dropout)


def blocks_densenet(*, blocks: int = 4, dropout: float = 0.0, pretrained: bool = False) -> BlocksBody:
    """Build ``blocks`` (``>= 1``) of dense layers; ``dropout`` as in :class:`BlocksBody`.

    Raises:
        InputError: If pretrained weights are asked for: there are none.

    Example:
        >>> [blocks_densenet(blocks=number).feature_size for number in (1, 2, 3)]
        [576, 640, 768]
    """
    _no_pretrained("blocks_densenet", pretrained)
    checks.at_least(1, blocks=blocks)
    depths = [*[6, 12, *[24] * (blocks - 3)][: blocks - 1], 16]
    made, shapes, inner = [], [], _STEM
    for number, depth in enumerate(depths, 1):
        outer = inner + depth * _GROWTH
        parts: list[nn.Module] = [DenseLayer(inner + _GROWTH * index) for index in range(depth)]
        if number < blocks:
            parts.append(Transition(outer))
            outer //= 2
        made.append(nn.Sequential(*parts))
        shapes.append((inner, outer, 1 if number == blocks else 2))
        inner = outer
    return BlocksBody("densenet", made, shapes, dropout=dropout)


def blocks_resnet(*, blocks: int = 4, dropout: float = 0.0, pretrained: bool = False) -> BlocksBody:
    """Build ``blocks`` (``>= 1``) of two residual blocks each.

    Args:
        blocks: How many.
        dropout: As in :class:`BlocksBody`.
        pretrained: Start from torchvision's ImageNet weights of ResNet-18, which are those of four blocks.

    Raises:
        InputError: If pretrained weights are asked for with another number of blocks.

    Example:
        >>> body = blocks_resnet(blocks=1)
        >>> sum(p.numel() for p in body.parameters()) + 10 * (body.feature_size + 1)
        7425354
    """
    shapes = _shapes(blocks)
    if pretrained and blocks != 4:
        raise InputError(
            f"blocks_resnet has published weights for 4 blocks, not for {blocks}: set network.kwargs.blocks to 4, or "
            "leave network.pretrained off."
        )
    made = [
        nn.Sequential(BasicBlock(a, b, stride, _shortcut(a, b, stride)), BasicBlock(b, b)) for a, b, stride in shapes
    ]
    body = BlocksBody("resnet", made, shapes, dropout=dropout)
    if pretrained:
        found = from_library(get_model("resnet18", weights="DEFAULT").state_dict(), body.layout)
        own = {key.removeprefix("body."): value for key, value in found.items() if not key.startswith("head.")}
        fit_weights(body, own, "the published weights of tv:resnet18")
    return body


def _shapes(blocks: int) -> list[tuple[int, int, int]]:
    """Return channels in and out, and the stride, of each block of one convolution or of residual ones."""
    checks.at_least(1, blocks=blocks)
    widths = {1: [512], 2: [128, 512], 3: [128, 256, 512]}.get(blocks) or [64, 128, 256, *[512] * (blocks - 3)]
    strides = [1] * (blocks - 3) + [2] * min(blocks, 3)
    pairs = itertools.pairwise((_STEM, *widths))
    return [(inner, outer, stride) for (inner, outer), stride in zip(pairs, strides, strict=True)]


def _shortcut(inner: int, outer: int, stride: int) -> nn.Module | None:
    if inner == outer and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inner, outer, 1, stride=stride, bias=False), nn.BatchNorm2d(outer))


def _no_pretrained(name: str, pretrained: bool) -> None:
    if pretrained:
        raise InputError(f"{name} has no pretrained weights: leave network.pretrained off, or load a file.")
