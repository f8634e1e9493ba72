"""Layers that losses train: their first weights come from a generator, so they are the same on every process.

torch's own layers draw from the global generator when they are made. These do not touch it.
"""

from typing import Literal

import torch
from torch import nn

__all__ = ["seeded_conv", "seeded_linear"]

Fan = Literal["in", "out"]


def seeded_linear(
    inputs: int, outputs: int, *, generator: torch.Generator, relu: bool = False, fan: Fan = "in", bias: bool = True
) -> nn.Linear:
    """Make a linear layer whose outputs vary as much as its inputs.

    Args:
        inputs: Features read.
        outputs: Features written.
        generator: On the CPU; the only source of the draw.
        relu: A ReLU follows, which halves the mean square: draw twice the variance (He et al., 2015).
        fan: Keep the variance of what goes forward (``"in"``) or of the gradient (``"out"``).
        bias: Add a vector, zero at first.

    Returns:
        The layer, with weights of mean 0 and variance ``1 / fan``, or ``2 / fan`` before a ReLU.

    Example:
        >>> layer = seeded_linear(3, 2, generator=torch.Generator().manual_seed(0))
        >>> layer(torch.zeros(1, 3)).tolist()
        [[0.0, 0.0]]
    """
    layer = nn.Linear(inputs, outputs, bias=bias, device="meta").to_empty(device="cpu")
    _draw(layer, inputs if fan == "in" else outputs, generator, relu)
    return layer


def seeded_conv(
    inputs: int,
    outputs: int,
    *,
    generator: torch.Generator,
    size: int = 1,
    relu: bool = False,
    fan: Fan = "in",
    bias: bool = True,
) -> nn.Conv2d:
    """Make a convolution of ``size`` by ``size`` places that keeps the map's size; else as :func:`seeded_linear`.

    >>> layer = seeded_conv(3, 2, size=3, generator=torch.Generator().manual_seed(0))
    >>> tuple(layer(torch.zeros(1, 3, 5, 4)).shape)
    (1, 2, 5, 4)
    """
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias, device="meta").to_empty(device="cpu")
    _draw(layer, size * size * (inputs if fan == "in" else outputs), generator, relu)
    return layer


def _draw(layer: nn.Linear | nn.Conv2d, fan: int, generator: torch.Generator, relu: bool) -> None:
    with torch.no_grad():
        layer.weight.normal_(0, ((2 if relu else 1) / fan) ** 0.5, generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()
