"""Two models' features side by side: their shapes checked, maps brought to one size, vectors to unit length."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["activation_map", "check_feature_shapes", "check_feature_vectors", "pool_to_smaller", "unit_length"]


def pool_to_smaller(new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """Average the larger of two feature maps down to the size of the smaller, the height and the width each.

    Args:
        new: Feature maps of the model in training, shape ``(N, C, H, W)``.
        old: Feature maps of the frozen model, shape ``(N, C', H', W')``.

    Returns:
        Both with ``min(H, H')`` by ``min(W, W')`` places, in float32 or wider; ``old`` without gradient.

    Raises:
        InputError: If one has not four dimensions.
        ValueError: If the lengths differ.

    Example:
        >>> new, old = pool_to_smaller(torch.ones(1, 3, 4, 4), torch.ones(1, 5, 2, 8))
        >>> tuple(new.shape), tuple(old.shape)
        ((1, 3, 2, 4), (1, 5, 2, 4))
    """
    for name, maps in (("new", new), ("old", old)):
        if maps.ndim != 4:
            shape = tuple(maps.shape)
            raise checks.InputError(
                f"{name} must be feature maps (N, C, H, W), got shape {shape}: tap a layer of maps."
            )
    checks.same_length(new=new, old=old)
    size = (min(new.shape[2], old.shape[2]), min(new.shape[3], old.shape[3]))
    wide = (full_precision(new), full_precision(old.detach()))
    pooled = [part if part.shape[2:] == size else functional.adaptive_avg_pool2d(part, size) for part in wide]
    return pooled[0], pooled[1]


def unit_length(values: Tensor, *, dim: int = 1) -> Tensor:
    """Scale vectors to length 1. One without a direction stays zero, and its gradient is zero too.

    Args:
        values: Any shape.
        dim: Along which the vectors lie.

    Returns:
        The same shape; the squares along ``dim`` add up to 1, or to 0 where they underflowed.

    Example:
        >>> unit_length(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    square = values.square().sum(dim=dim, keepdim=True)
    there = square > torch.finfo(values.dtype).tiny
    return values * torch.where(there, square, torch.ones_like(square)).rsqrt() * there


def activation_map(maps: Tensor, *, power: float = 2.0) -> Tensor:
    """Tell how active each place of a feature map is, as a vector of length 1.

    Args:
        maps: Shape ``(N, C, H, W)``.
        power: Exponent of the absolute values that are averaged over channels, ``>= 1``.

    Returns:
        Shape ``(N, H * W)``, each ``>= 0``.

    Example:
        >>> activation_map(torch.tensor([[[[0.0, 2.0]], [[0.0, -1.0]]]]))
        tensor([[0., 1.]])
    """
    strength = maps.square() if power == 2 else maps.abs().pow(power)
    return unit_length(strength.mean(dim=1).flatten(1))


def check_feature_vectors(**vectors: Tensor) -> None:
    """Raise ``ValueError`` unless all are feature vectors ``(N, D)`` of one ``N``; their widths may differ."""
    checks.two_dimensional(**vectors)
    checks.same_length(**vectors)


def check_feature_shapes(*ranks: int, **shapes: Sequence[int]) -> None:
    """Raise ``InputError`` unless all shapes, without the batch, have one rank, which is among ``ranks``.

    >>> check_feature_shapes(3, new_shape=(8,), old_shape=(8, 4, 4))
    Traceback (most recent call last):
    modelheir.checks.InputError: new_shape must be (C, H, W), each at least 1, got (8,): tap another layer.
    """
    words = {1: "(D,)", 3: "(C, H, W)"}
    for name, shape in shapes.items():
        if len(shape) not in ranks or min(shape) < 1:
            kinds = " or ".join(words[rank] for rank in ranks)
            got = f"{tuple(shape)}: tap another layer."
            raise checks.InputError(f"{name} must be {kinds}, each at least 1, got {got}")
    if len({len(shape) for shape in shapes.values()}) > 1:
        told = ", ".join(f"{name} is {tuple(shape)}" for name, shape in shapes.items())
        raise checks.InputError(f"vectors and maps cannot be compared, and {told}: tap layers of one kind.")
