"""How many parameters each layer of a network has, by two rules: all, and those that a table of sizes counts.

Table 6 of Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642, counts weights of convolutions and linear layers, and
biases of the latter, without batch normalisation and without the convolutions of shortcuts: so 11,000,010 of the
11,181,642 parameters of a ResNet-18 with ten classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from modelheir.models.groups import layers

__all__ = ["ParameterCount", "counted", "parameter_counts"]

_SHORTCUTS = ("downsample", "shortcut")


class ParameterCount(NamedTuple):
    """Parameters of a layer or of a network."""

    counted: int  #: by the rule of the table
    all: int  #: everything that may train


def counted(module: nn.Module) -> list[str]:
    """Return the names of the parameters that the table counts: weights of layers, biases of linear ones.

    Example:
        >>> counted(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 1)))
        ['0.weight', '3.weight', '3.bias']
    """
    found: list[str] = []
    for path, part in module.named_modules():
        if any(piece in _SHORTCUTS for piece in path.split(".")):
            continue
        linear = isinstance(part, nn.Linear)
        if linear or isinstance(part, nn.modules.conv._ConvNd):
            names = ("weight", "bias") if linear else ("weight",)
            own = dict(part.named_parameters(recurse=False))
            found += [f"{path}.{name}" if path else name for name in names if name in own]
    return found


def parameter_counts(model: Any) -> dict[str, ParameterCount]:
    """Return the counts of each layer, from the images to the logits, and of all under ``total``.

    Args:
        model: A :class:`~modelheir.models.Classifier`.

    Example:
        >>> from modelheir.models import build
        >>> parameter_counts(build("tv:resnet18", classes=[str(n) for n in range(10)], image_size=32))["total"]
        ParameterCount(counted=11000010, all=11181642)
    """
    sizes = {name: value.numel() for name, value in model.named_parameters()}
    held = set(counted(model))
    found = {
        layer: ParameterCount(sum(sizes[name] for name in names if name in held), sum(sizes[name] for name in names))
        for layer, names in layers(model).items()
    }
    return {**found, "total": ParameterCount(*(sum(column) for column in zip(*found.values(), strict=True)))}
