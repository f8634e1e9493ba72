"""RandAugment and AutoAugment for a batch of 8-bit images: which operations, and doing them.

The choice is an array on the host, so that images with equal operations are worked on together on their device, and
those that move pixels (shears, translations, rotations) all together, each by its own matrix. What the device must know
of the choice is two tables, :class:`Plan`; nothing is read back.

Cubuk et al., "RandAugment", 2020 (14 operations, one strength); Cubuk et al., "AutoAugment", 2019, Table 9 (the 25
ImageNet sub-policies). Borders that move in are black, pixels are taken from the nearest neighbour.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["OPERATIONS", "Plan", "apply_operations", "auto_augment", "make_plan", "rand_augment"]

OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
    "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert",
)  # fmt: skip
_SIGNED, _MOVES = OPERATIONS[1:10], OPERATIONS[1:6]

# first operation, its probability, its level of 9; second operation, its probability, its level
SUB_POLICIES = (
    ("Posterize", 0.4, 8, "Rotate", 0.6, 9),
    ("Solarize", 0.6, 5, "AutoContrast", 0.6, 0),
    ("Equalize", 0.8, 0, "Equalize", 0.6, 0),
    ("Posterize", 0.6, 7, "Posterize", 0.6, 6),
    ("Equalize", 0.4, 0, "Solarize", 0.2, 4),
    ("Equalize", 0.4, 0, "Rotate", 0.8, 8),
    ("Solarize", 0.6, 3, "Equalize", 0.6, 0),
    ("Posterize", 0.8, 5, "Equalize", 1.0, 0),
    ("Rotate", 0.2, 3, "Solarize", 0.6, 8),
    ("Equalize", 0.6, 0, "Posterize", 0.4, 6),
    ("Rotate", 0.8, 8, "Color", 0.4, 0),
    ("Rotate", 0.4, 9, "Equalize", 0.6, 0),
    ("Equalize", 0.0, 0, "Equalize", 0.8, 0),
    ("Invert", 0.6, 0, "Equalize", 1.0, 0),
    ("Color", 0.6, 4, "Contrast", 1.0, 8),
    ("Rotate", 0.8, 8, "Color", 1.0, 2),
    ("Color", 0.8, 8, "Solarize", 0.8, 7),
    ("Sharpness", 0.4, 7, "Invert", 0.6, 0),
    ("ShearX", 0.6, 5, "Equalize", 1.0, 0),
    ("Color", 0.4, 0, "Equalize", 0.6, 0),
    ("Equalize", 0.4, 0, "Solarize", 0.2, 4),
    ("Solarize", 0.6, 5, "AutoContrast", 0.6, 0),
    ("Invert", 0.6, 0, "Equalize", 1.0, 0),
    ("Color", 0.6, 4, "Contrast", 1.0, 8),
    ("Equalize", 0.8, 0, "Equalize", 0.6, 0),
)


def rand_augment(draws: np.ndarray, *, magnitude: int) -> np.ndarray:
    """Choose operations of one strength, each of 14 equally likely.

    Args:
        draws: Uniform numbers in [0, 1), ``(N, K, 2)``: operation and sign.
        magnitude: 0 to 30.

    Returns:
        Float64 ``(N, K, 3)``: number of the operation, strength 0 to 1, sign -1 or 1.
    """
    operation = np.floor(draws[..., 0] * (len(OPERATIONS) - 1))
    sign = np.where(draws[..., 1] < 0.5, -1.0, 1.0)
    return np.stack([operation, np.full_like(operation, magnitude / 30), sign], axis=-1)


def auto_augment(draws: np.ndarray) -> np.ndarray:
    """Choose one of the 25 sub-policies for every image.

    Args:
        draws: Uniform numbers in [0, 1), ``(N, 5)``: sub-policy, then use and sign of both operations.

    Returns:
        Float64 ``(N, 2, 3)``: number of the operation, strength 0 to 1, sign -1 or 1.
    """
    chosen = np.floor(draws[:, 0] * len(SUB_POLICIES)).astype(np.int64)
    table = np.array([[(OPERATIONS.index(str(p[i])), p[i + 1], p[i + 2]) for i in (0, 3)] for p in SUB_POLICIES], float)
    operation, probability, level = np.moveaxis(table[chosen], -1, 0)
    used = draws[:, 1:3] < probability
    sign = np.where(draws[:, 3:5] < 0.5, -1.0, 1.0)
    return np.stack([np.where(used, operation, 0.0), level / 9, sign], axis=-1)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What happens to a batch, step by step: groups of images on the host, and tables for the device."""

    #: a step's groups: operation, strength, sign, images; those of all moves are one, "Move"
    steps: tuple[tuple[tuple[str, float, float, int], ...], ...]
    #: ``rows`` int64 ``(K, N)``: images in the order of each step's groups; ``matrices`` float32 ``(moves, 3, 2)``, in
    #: the order of use: where a pixel's value comes from, in halves of the picture from its centre
    tables: Mapping[str, np.ndarray]


def make_plan(chosen: np.ndarray, *, height: int, width: int) -> Plan:
    """Group the images of a batch by what happens to them.

    Args:
        chosen: ``(N, K, 3)`` as from :func:`rand_augment`.
        height: Of the images.
        width: Of the images.
    """
    steps, rows, matrices = [], [], [np.zeros((0, 3, 2), dtype=np.float32)]
    for step in chosen.swapaxes(0, 1):
        keys, group = np.unique(step, axis=0, return_inverse=True)
        members = [np.flatnonzero(group.reshape(-1) == number) for number in range(len(keys))]
        moves, others = [], []
        for (operation, strength, sign), own in zip(keys.tolist(), members, strict=True):
            name = OPERATIONS[int(operation)]
            (moves if name in _MOVES else others).append((name, strength, sign, own))
        groups = [(name, strength, sign, len(own)) for name, strength, sign, own in others]
        for name, strength, sign, own in moves:
            matrix = _matrix(name, strength * sign, height, width)
            matrices.append(np.broadcast_to(matrix, (len(own), 3, 2)))
        moved = sum(len(own) for *_, own in moves)
        steps.append(tuple([*groups, ("Move", 0.0, 0.0, moved)] if moved else groups))
        rows.append(np.concatenate([own for *_, own in others + moves]))
    return Plan(tuple(steps), {"rows": np.stack(rows), "matrices": np.concatenate(matrices)})


def apply_operations(images: Tensor, plan: Plan, tables: Mapping[str, Tensor]) -> Tensor:
    """Apply the chosen operations one after another.

    Args:
        images: Uint8 ``(N, 3, H, W)``.
        plan: As from :func:`make_plan`.
        tables: Its tables, on the images' device.

    Returns:
        Uint8 ``(N, 3, H, W)``.
    """
    used = 0
    for groups, order in zip(plan.steps, tables["rows"], strict=True):
        out = images.clone()
        for (operation, strength, sign, count), rows in zip(groups, order.split([g[-1] for g in groups]), strict=True):
            if operation == "Move":
                out[rows] = _move(images[rows], tables["matrices"][used : used + count])
                used += count
            elif operation != "Identity":
                out[rows] = _apply(images[rows], operation, strength, sign)
        images = out
    return images


def _matrix(operation: str, amount: float, height: int, width: int) -> np.ndarray:
    """Return the float32 matrix ``(3, 2)`` that takes a pixel's place ``(x, y, 1)`` to where its value comes from.

    Places are counted from the centre of the picture, in pixels before and in halves of the picture after.
    """
    rows = np.eye(2, 3)
    match operation:
        case "ShearX":
            rows[0, 1:] = 0.3 * amount, 0.3 * amount * height / 2
        case "ShearY":
            rows[1, [0, 2]] = 0.3 * amount, 0.3 * amount * width / 2
        case "TranslateX":
            rows[0, 2] = -int(150 / 331 * width * amount)
        case "TranslateY":
            rows[1, 2] = -int(150 / 331 * height * amount)
        case _:
            turn = np.radians(30 * amount)
            rows[:, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return rows.astype(np.float32).T / np.array([width / 2, height / 2], dtype=np.float32)


def _move(images: Tensor, matrices: Tensor) -> Tensor:
    count, _, height, width = images.shape
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = torch.arange(height, device=images.device) - (height - 1) / 2
    places = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width), x.new_ones(()).expand(height, width)], -1)
    grid = places.reshape(1, -1, 3).expand(count, -1, -1).bmm(matrices).view(count, height, width, 2)
    return functional.grid_sample(images.float(), grid, mode="nearest", align_corners=False).to(torch.uint8)


def _sharpen(images: Tensor, factor: float) -> Tensor:
    """Blend with a blurred image, all but the border, as torchvision does; its kernel is a copy from the host."""
    if min(images.shape[2:]) <= 2:
        return images
    kernel = torch.full((3, 1, 3, 3), 1 / 13, device=images.device)
    kernel[:, :, 1, 1] = 5 / 13
    out = images.float()
    inner = out[..., 1:-1, 1:-1]
    inner.add_(functional.conv2d(out, kernel, groups=3).round_().sub_(inner), alpha=1 - factor)
    return out.clamp_(0, 255).to(torch.uint8)


def _apply(images: Tensor, operation: str, strength: float, sign: float) -> Tensor:
    from torchvision.transforms.v2 import functional as colour  # here, as it is slow to import

    amount = sign * strength if operation in _SIGNED else strength
    match operation:
        case "Brightness":
            return colour.adjust_brightness(images, 1 + 0.9 * amount)
        case "Color":
            return colour.adjust_saturation(images, 1 + 0.9 * amount)
        case "Contrast":
            return colour.adjust_contrast(images, 1 + 0.9 * amount)
        case "Sharpness":
            return _sharpen(images, 1 + 0.9 * amount)
        case "Posterize":
            return colour.posterize(images, 8 - round(4 * strength))
        case "Solarize":
            return colour.solarize(images, 255 * (1 - strength))
        case "AutoContrast":
            return colour.autocontrast(images)
        case "Equalize":
            return colour.equalize(images)
        case _:
            return colour.invert(images)
