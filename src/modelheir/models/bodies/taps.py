r"""Convolutions on maps that are smaller than their kernel, as one matrix product.

Position ``o`` of the output reads position ``q`` of the input through tap ``(q - o s + p) / d`` of a row (stride ``s``,
padding ``p``, dilation ``d``). Where every position of the output so reads the whole map, and the map has fewer
positions than the kernel has taps, the other taps see only padding: 5 of 9 at every position, with a 3x3 kernel and
padding 1 on a map of 2x2. Libraries multiply by the padding all the same, and do it slowly; the rest is one matrix
product, whose matrix holds a tap as often as it is used:

.. math:: y_{nop} = \sum_{c,q} x_{ncq}\, w_{oc\,t(p,q)} + b_o

It is the same sum, added up in another order (about 1e-14 in float64), with the same gradients: 0 for the other taps.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TappedConv2d", "skip_dead_taps", "taps_between"]


def taps_between(size: int, *, kernel: int, stride: int, padding: int, dilation: int) -> list[list[int]] | None:
    """Return the tap along one side by which each output position reads each input position; ``None`` if one lacks.

    Args:
        size: Positions of the input along this side, ``>= 1``.
        kernel: Taps along this side.
        stride: Of the convolution.
        padding: Zeros on each end.
        dilation: Distance of two taps.

    Returns:
        Of every output position, in order, the taps of all input positions.

    Example:
        >>> taps_between(2, kernel=3, stride=1, padding=1, dilation=1)
        [[1, 2], [0, 1]]
        >>> taps_between(4, kernel=3, stride=2, padding=1, dilation=1) is None
        True
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        return None
    read = [[q - o * stride + padding for q in range(size)] for o in range(room // stride + 1)]
    if any(at % dilation or not 0 <= at // dilation < kernel for row in read for at in row):
        return None
    return [[at // dilation for at in row] for row in read]


@functools.lru_cache(maxsize=256)
def _table(shape: tuple[int, ...], *sides: tuple[int, int, int, int]) -> tuple[tuple[int, int], list[int]] | None:
    """Return the output's shape and the tap of each pair of positions, output before input; ``None`` if none pays."""
    ways = [
        taps_between(n, kernel=k, stride=s, padding=p, dilation=d) for n, (k, s, p, d) in zip(shape, sides, strict=True)
    ]
    width = sides[1][0]
    if ways[0] is None or ways[1] is None or shape[0] * shape[1] >= sides[0][0] * width:
        return None
    taps = [row * width + column for down in ways[0] for across in ways[1] for row in down for column in across]
    return (len(ways[0]), len(ways[1])), taps


class TappedConv2d(nn.Conv2d):
    """A ``Conv2d`` that is one matrix product where its maps are smaller than its kernel.

    On a GPU only where the output has one position: a tap that is used twice gathers its gradient there in any order.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ways = zip(self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        found = _table(tuple(input.shape[-2:]), *((k, s, int(p), d) for k, s, p, d in ways))
        if found is None or (found[0] != (1, 1) and input.device.type != "cpu"):
            return super()._conv_forward(input, weight, bias)
        positions, taps = found
        count = positions[0] * positions[1]
        # positions before channels, the order in which images and weights lie in memory
        used = weight.movedim(1, -1).flatten(1, 2).index_select(1, torch.tensor(taps, device=weight.device))
        matrix = used.unflatten(1, (count, -1)).movedim(1, 0).flatten(2).flatten(0, 1)
        flat = functional.linear(
            input.movedim(-3, -1).flatten(-3), matrix, None if bias is None else bias.repeat(count)
        )
        return flat.unflatten(-1, (*positions, -1)).movedim(-1, -3)


def skip_dead_taps(module: nn.Module) -> nn.Module:
    """Let every plain ``Conv2d`` in ``module`` skip dead taps; parameters, names and hooks stay what they are.

    Grouped convolutions, other paddings than zeros, and subclasses are left alone.

    Returns:
        ``module`` itself.
    """
    for one in module.modules():
        if (
            type(one) is nn.Conv2d
            and one.groups == 1
            and one.padding_mode == "zeros"
            and not isinstance(one.padding, str)
        ):
            one.__class__ = TappedConv2d
    return module
