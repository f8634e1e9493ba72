r"""Convolutions on tiny maps without the taps that see only padding.

Where a convolution's output is one position, tap ``k`` of a row reads the input at ``k d - p`` (dilation ``d``, padding
``p``), or nothing. A 3x3 kernel with stride 2 and padding 1 on a map of 2x2 so has 4 taps of 9 that touch data, on 1x1
one. Libraries multiply by the padding all the same, and do it slowly; the taps that are left are one matrix product:

.. math:: y_{no} = \sum_{c,i,j} x_{n,c,i d - p,j d - p}\, w_{ocij} + b_o

It is the same sum, added up in another order (about 1e-14 in float64), with the same gradients: 0 for the other taps.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TappedConv2d", "live_taps", "skip_dead_taps"]


def live_taps(size: int, *, kernel: int, stride: int, padding: int, dilation: int) -> range | None:
    """Return the taps along one side that touch data, where the output has one position along it; ``None`` elsewhere.

    Args:
        size: Positions of the input along this side, ``>= 1``.
        kernel: Taps along this side.
        stride: Of the convolution.
        padding: Zeros on each end.
        dilation: Distance of two taps.

    Example:
        >>> live_taps(2, kernel=3, stride=2, padding=1, dilation=1)
        range(1, 3)
        >>> live_taps(4, kernel=3, stride=2, padding=1, dilation=1) is None
        True
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0 or room >= stride:
        return None
    return range(-(-padding // dilation), min(kernel - 1, (size - 1 + padding) // dilation) + 1)


class TappedConv2d(nn.Conv2d):
    """A ``Conv2d`` that skips taps which see only padding where its output is one position."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        sides = zip(input.shape[-2:], self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        taps = [live_taps(n, kernel=k, stride=s, padding=int(p), dilation=d) for n, k, s, p, d in sides]
        rows, columns = taps
        if not rows or not columns or len(rows) * len(columns) == self.kernel_size[0] * self.kernel_size[1]:
            return super()._conv_forward(input, weight, bias)
        (top, down), (left, right) = (
            (used.start * d - int(p), d)
            for used, p, d in zip((rows, columns), self.padding, self.dilation, strict=True)
        )
        seen = input[
            ..., top : top + (len(rows) - 1) * down + 1 : down, left : left + (len(columns) - 1) * right + 1 : right
        ]
        kernel = weight[:, :, rows.start : rows.stop, columns.start : columns.stop]
        # positions before channels, the order in which images lie in memory
        flat = functional.linear(seen.movedim(-3, -1).flatten(-3), kernel.movedim(1, -1).flatten(1), bias)
        return flat[..., None, None]


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
