"""The weights of each layer as one row of numbers, to be measured and projected.

Weights of convolutions and linear layers and biases of linear layers count, in the order of the network; normalisation
and the convolutions of residual shortcuts do not (Ji, Alaa and Sontag, "Seq-to-Final", 2024, arXiv:2407.09642).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from modelheir import checks

__all__ = ["is_shortcut", "layer_vectors"]

_SHORTCUTS = {"downsample", "shortcut"}


def layer_vectors(model: nn.Module, layers: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Return the weights of each layer in one row.

    Args:
        model: Any network.
        layers: Layer -> names of its parameters; those that do not count are passed over.

    Returns:
        Layer -> float64 row; empty for a layer without weights that count.

    Raises:
        InputError: If the network has no parameter of a name, with the nearest.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> _ = nn.init.ones_(layer.weight), nn.init.zeros_(layer.bias)
        >>> layer_vectors(layer, {"fc": ["weight", "bias"]})["fc"].tolist()
        [1.0, 1.0, 0.0]
    """
    held = dict(model.named_parameters())
    counted = set(_counted(model))
    found = {}
    for layer, names in layers.items():
        for name in names:
            checks.one_of(held, parameter=name)
        rows = [held[name].detach().double().cpu().numpy().ravel() for name in names if name in counted]
        found[layer] = np.concatenate([np.zeros(0), *rows])
    return found


def is_shortcut(name: str) -> bool:
    """Tell whether a tensor belongs to the shortcut beside a residual block.

    >>> is_shortcut("body.layer2.0.downsample.0.weight"), is_shortcut("body.layer2.0.conv1.weight")
    (True, False)
    """
    return not _SHORTCUTS.isdisjoint(name.split("."))


def _counted(model: nn.Module) -> list[str]:
    found = []
    for path, part in model.named_modules():
        linear = isinstance(part, nn.Linear)
        if (linear or isinstance(part, nn.modules.conv._ConvNd)) and not is_shortcut(path):
            own = [name for name in ("weight", "bias") if name in dict(part.named_parameters(recurse=False))]
            found += [f"{path}.{name}" if path else name for name in own if linear or name == "weight"]
    return found
