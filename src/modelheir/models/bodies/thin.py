"""ResNets whose convolutions have a bias, so that batch normalisation can be folded in or left out; and a thin one.

``resnet10thin_wb`` has widths 16, 32, 64 and 128, one basic block a stage, convolution bias and no normalisation:
310,026 parameters with 10 classes. Ours differs from the earlier system: biases begin at zero, and these nets know
nothing of several inputs (``mimo.py`` widens any body).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import nn
from torchvision.models.resnet import BasicBlock

from modelheir import checks
from modelheir.models.bodies.resnet_body import ResNetBody, Stem, resnet_body

__all__ = ["Norm", "add_conv_bias", "resnet10thin_wb", "resnet_wb"]

Norm = Literal["batch", "identity"]

_NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm2d, "identity": nn.Identity}


def add_conv_bias(module: nn.Module) -> nn.Module:
    """Give every convolution inside ``module`` a bias of zeros where it has none; edits and returns ``module``.

    The outputs stay what they were, and the weights stay the same tensors.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.bias is None:
            part.bias = nn.Parameter(part.weight.new_zeros(part.out_channels))
    return module


def resnet_wb(name: str, *, norm: Norm = "batch", stem: Stem = "standard", **kwargs: Any) -> ResNetBody:
    """Build a ResNet body with convolution bias.

    Args:
        name: A torchvision name without the suffix, such as ``resnet18`` or ``resnext50_32x4d``.
        norm: ``batch`` keeps batch normalisation; ``identity`` leaves it out, which deep nets do not train with
            at usual learning rates.
        stem: As in :func:`~modelheir.models.bodies.resnet_body.resnet_body`.
        **kwargs: Further arguments of :class:`torchvision.models.ResNet`. ``pretrained=True`` is refused: no public
            weights have these biases.

    Raises:
        ValueError: If pretrained weights are asked for.
    """
    _no_pretrained(f"{name}_wb", kwargs)
    checks.one_of(_NORMS, norm=norm)
    body = resnet_body(name, stem=stem, norm_layer=_NORMS[norm], **kwargs)
    add_conv_bias(body)
    return body


def resnet10thin_wb(
    *,
    widths: Sequence[int] = (16, 32, 64, 128),
    blocks: int = 1,
    norm: Norm = "identity",
    stem: Stem = "standard",
    **kwargs: Any,
) -> ResNetBody:
    """Build the body of a narrow ResNet of basic blocks with convolution bias.

    Args:
        widths: Channels of the four stages; every stage but the first halves the resolution.
        blocks: Basic blocks a stage, ``>= 1``; more than one makes the net deeper than its name says.
        norm: ``identity`` has no normalisation; ``batch`` has it.
        stem: As in :func:`~modelheir.models.bodies.resnet_body.resnet_body`.
        **kwargs: ``pretrained`` only, which must be false.

    Raises:
        ValueError: If a setting is out of range, or pretrained weights are asked for.

    Example:
        >>> body = resnet10thin_wb()
        >>> sum(p.numel() for p in body.parameters()) + 10 * (body.feature_size + 1)
        310026
    """
    _no_pretrained("resnet10thin_wb", kwargs)
    if kwargs:
        raise checks.unknown("argument of resnet10thin_wb", next(iter(kwargs)), ("widths", "blocks", "norm", "stem"))
    checks.one_of(_NORMS, norm=norm)
    checks.one_of(("standard", "small"), stem=stem)
    checks.in_range(4, 4, stages=len(widths))
    checks.at_least(1, blocks=blocks, narrowest=min(widths))
    layer, first = _NORMS[norm], widths[0]
    standard = stem == "standard"
    body = ResNetBody(
        conv1=nn.Conv2d(3, first, 7, stride=2, padding=3) if standard else nn.Conv2d(3, first, 3, padding=1),
        bn1=layer(first),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1) if standard else nn.Identity(),
        stages=[
            _stage(inner, width, stride=1 if number == 0 else 2, blocks=blocks, layer=layer)
            for number, (inner, width) in enumerate(itertools.pairwise((first, *widths)))
        ],
    )
    add_conv_bias(body)
    for part in body.modules():
        if isinstance(part, nn.Conv2d) and part.bias is not None:
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(part.bias)
    return body


def _stage(inner: int, width: int, *, stride: int, blocks: int, layer: Callable[..., nn.Module]) -> nn.Sequential:
    shortcut = None
    if stride != 1 or inner != width:
        shortcut = nn.Sequential(nn.Conv2d(inner, width, 1, stride=stride), layer(width))
    rest = [BasicBlock(width, width, norm_layer=layer) for _ in range(blocks - 1)]
    return nn.Sequential(BasicBlock(inner, width, stride, shortcut, norm_layer=layer), *rest)


def _no_pretrained(name: str, kwargs: dict[str, Any]) -> None:
    if kwargs.pop("pretrained", False):
        raise ValueError(f"{name} has no pretrained weights: leave pretrained off, or load a file")
