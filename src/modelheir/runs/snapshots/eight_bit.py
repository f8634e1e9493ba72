r"""Weights in eight bits: a code of one byte, with a scale and an offset for each output channel.

.. math:: q = \mathrm{round}\Big(\frac{w - \min}{\Delta}\Big), \qquad \Delta = \frac{\max - \min}{255}, \qquad
          \hat w = \min + \Delta\, q

over the slice of one index of the first dimension. Li et al., "Trainable Weight Averaging", 2022, arXiv:2205.13104,
store a basis so, block by block. Ours differs: a block is an output channel, so that a channel of small weights keeps
its digits beside one of large weights. What has one dimension or none (biases, batch norms) stays in float32, and what
is no floating-point number as it is. The error of a weight is at most :math:`\Delta / 2` and the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["decode", "encode"]

_LEVELS = 255
_SCALE, _OFFSET = "#scale", "#offset"  #: ends of the keys that stand beside a tensor of codes


def encode(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as codes: beside each tensor of bytes its scales and offsets, ``(outputs,)`` each, float32.

    Args:
        weights: Any tensors; those of floating point with two dimensions or more become codes. Values must be finite.

    Example:
        >>> found = encode({"w": torch.tensor([[0.0, 1.0, 2.55], [-1.0, -1.0, -1.0]])})
        >>> sorted(found), found["w"].tolist()
        (['w', 'w#offset', 'w#scale'], [[0, 100, 255], [0, 0, 0]])
    """
    found: dict[str, Tensor] = {}
    for key, value in weights.items():
        if not value.is_floating_point() or value.ndim < 2:
            found[key] = value.float() if value.is_floating_point() else value
            continue
        rows = value.float().flatten(1)
        low, high = rows.aminmax(dim=1)
        scale = (high - low) / _LEVELS
        codes = (rows - low[:, None]) / torch.where(scale > 0, scale, 1.0)[:, None]
        found[key] = codes.round_().clamp_(0, _LEVELS).to(torch.uint8).reshape(value.shape)
        found[f"{key}{_SCALE}"], found[f"{key}{_OFFSET}"] = scale, low
    return found


def decode(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what :func:`encode` was given, in float32 to its error; tensors without codes stay as they are."""
    found: dict[str, Tensor] = {}
    for key, value in stored.items():
        if key.endswith((_SCALE, _OFFSET)) and key.rpartition("#")[0] in stored:
            continue
        if f"{key}{_SCALE}" in stored:
            shape = (-1,) + (1,) * (value.ndim - 1)
            scale, offset = stored[f"{key}{_SCALE}"].reshape(shape), stored[f"{key}{_OFFSET}"].reshape(shape)
            value = offset + scale * value
        found[key] = value
    return found
