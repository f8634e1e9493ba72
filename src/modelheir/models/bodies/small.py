"""Small networks for small images: trained from nothing in seconds to minutes on a CPU.

``mlp`` and ``convnet`` are the plainest; ``resnet8`` is the CIFAR network with ``6n + 2`` layers at ``n = 1`` (He et
al., "Deep Residual Learning for Image Recognition", 2016, arXiv:1512.03385, section 4.2); ``resnet9`` is the
fast nine-layer network of the DAWNBench entries; ``resnetNN_small`` are torchvision's with a 3x3 stem of stride 1 and
no pooling. Ours differs: shortcuts of ``resnet8`` that change the width are 1x1 convolutions where the paper pads.
Features are means over positions, which batch well under ``torch.func.vmap``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from modelheir import checks

__all__ = ["MLP", "SMALL", "ConvNet", "Pooled", "ResNet8", "ResNet9", "Residual", "mlp"]


def _conv(inner: int, outer: int, *, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inner, outer, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outer), nn.ReLU())


class MLP(nn.Module):
    """Hidden layers with ReLU on the flattened image."""

    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        checks.at_least(1, layers=len(hidden), narrowest=min(hidden, default=0))
        widths = (inputs, *hidden)
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in itertools.pairwise(widths)]
        self.layers = nn.ModuleList(layers)
        self.feature_size = widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(N, D)`` of images ``(N, 3, H, W)``."""
        x = images.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x


def mlp(*, image_size: int, hidden: Sequence[int] = (64, 64)) -> MLP:
    """Build a perceptron for square images of ``image_size`` pixels, ``>= 1``; ``hidden`` are its layers' widths."""
    checks.at_least(1, image_size=image_size)
    return MLP(3 * image_size**2, hidden)


class ConvNet(nn.Module):
    """Blocks of 3x3 convolution, batch normalisation, ReLU; each block but the last halves the resolution."""

    def __init__(self, *, blocks: int = 3, width: int = 32) -> None:
        """Build 1 to 6 blocks; the first has ``width`` channels and each further one twice as many."""
        super().__init__()
        checks.in_range(1, 6, blocks=blocks)
        checks.at_least(1, width=width)
        widths = [3, *(width * 2**number for number in range(blocks))]
        self.blocks = nn.ModuleList(_conv(a, b) for a, b in itertools.pairwise(widths))
        self.feature_size = widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(N, D)`` of images ``(N, 3, H, W)``."""
        for number, block in enumerate(self.blocks):
            if number and min(images.shape[-2:]) > 1:
                images = nn.functional.max_pool2d(images, 2)
            images = block(images)
        return images.mean(dim=(2, 3))


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.first = _conv(inner, outer, stride=stride)
        self.second = _conv(outer, outer)[:2]
        same = inner == outer and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inner, outer, 1, stride=stride, bias=False), nn.BatchNorm2d(outer))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet8(nn.Module):
    """Stem and three stages of one residual block."""

    def __init__(self, *, width: int = 16, blocks: int = 1) -> None:
        """Build stages of ``blocks`` blocks with ``width``, twice and four times ``width`` channels."""
        super().__init__()
        checks.at_least(1, width=width, blocks=blocks)
        self.stem = _conv(3, width)
        widths, stages = [width, width, 2 * width, 4 * width], []
        for number in range(3):
            inner, outer = widths[number], widths[number + 1]
            rest = (Residual(outer, outer, 1) for _ in range(blocks - 1))
            stages.append(nn.Sequential(Residual(inner, outer, 1 if number == 0 else 2), *rest))
        self.stages = nn.ModuleList(stages)
        self.feature_size = widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(N, D)`` of images ``(N, 3, H, W)``."""
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return x.mean(dim=(2, 3))


class Pooled(nn.Module):
    """Convolution and 2x2 max-pool, then two convolutions beside an identity where ``residual``."""

    def __init__(self, inner: int, outer: int, *, residual: bool) -> None:
        super().__init__()
        self.first = _conv(inner, outer)
        self.rest = nn.Sequential(_conv(outer, outer), _conv(outer, outer)) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output at half the resolution."""
        x = self.first(x)
        x = nn.functional.max_pool2d(x, 2) if min(x.shape[-2:]) > 1 else x
        return x if self.rest is None else x + self.rest(x)


class ResNet9(nn.Module):
    """Eight convolutions in a stem and three stages, the first and last stage residual."""

    def __init__(self, *, width: int = 64) -> None:
        """Build a stem of ``width`` channels and stages of 2, 4 and 8 times as many."""
        super().__init__()
        checks.at_least(1, width=width)
        self.stem = _conv(3, width)
        self.stages = nn.ModuleList(
            (
                Pooled(width, 2 * width, residual=True),
                Pooled(2 * width, 4 * width, residual=False),
                Pooled(4 * width, 8 * width, residual=True),
            )
        )
        self.feature_size = 8 * width

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(N, D)`` of images ``(N, 3, H, W)``: the largest value over positions."""
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return x.amax(dim=(2, 3))


def _small_resnet(name: str, **kwargs: Any) -> nn.Module:
    from modelheir.models.bodies.resnet_body import resnet_body

    return resnet_body(name, stem="small", **kwargs)


def _sized(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda *, image_size, **kwargs: make(**kwargs)


#: name -> function of ``image_size`` and keyword settings that builds the body
SMALL: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "convnet": _sized(ConvNet),
    "resnet8": _sized(ResNet8),
    "resnet9": _sized(ResNet9),
    **{f"{name}_small": _sized(partial(_small_resnet, name)) for name in ("resnet18", "resnet34", "resnet50")},
}
