"""RandAugment and AutoAugment for a batch of 8-bit images: which operations, and doing them.

The choice is an array on the host, so that images with equal operations are worked on together on their device.

Cubuk et al., "RandAugment", 2020 (14 operations, one strength); Cubuk et al., "AutoAugment", 2019, Table 9 (the 25
ImageNet sub-policies). Borders that move in are black, pixels are taken from the nearest neighbour.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["OPERATIONS", "apply_operations", "auto_augment", "rand_augment"]

OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
    "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert",
)  # fmt: skip
_SIGNED = OPERATIONS[1:10]

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


def apply_operations(images: Tensor, chosen: np.ndarray) -> Tensor:
    """Apply the chosen operations one after another.

    Args:
        images: Uint8 ``(N, 3, H, W)``.
        chosen: ``(N, K, 3)`` as from :func:`rand_augment`.

    Returns:
        Uint8 ``(N, 3, H, W)``.
    """
    for step in range(chosen.shape[1]):
        keys, group = np.unique(chosen[:, step], axis=0, return_inverse=True)
        out = images.clone()
        for number, (operation, strength, sign) in enumerate(keys):
            rows = torch.from_numpy(np.flatnonzero(group.reshape(-1) == number)).to(images.device)
            out[rows] = _apply(images[rows], OPERATIONS[int(operation)], float(strength), float(sign))
        images = out
    return images


def _apply(images: Tensor, operation: str, strength: float, sign: float) -> Tensor:
    from torchvision.transforms.v2 import functional  # here, as it is slow to import

    height, width = images.shape[2:]
    amount = sign * strength if operation in _SIGNED else strength
    match operation:
        case "ShearX" | "ShearY":
            degrees = float(np.degrees(np.arctan(0.3 * amount)))
            shear = [degrees, 0.0] if operation == "ShearX" else [0.0, degrees]
            return functional.affine(images, angle=0.0, translate=[0, 0], scale=1.0, shear=shear, center=[0, 0])
        case "TranslateX" | "TranslateY":
            along_x = operation == "TranslateX"
            pixels = float(int(150 / 331 * (width if along_x else height) * amount))
            move = [pixels, 0.0] if along_x else [0.0, pixels]
            return functional.affine(images, angle=0.0, translate=move, scale=1.0, shear=[0.0, 0.0])
        case "Rotate":
            return functional.rotate(images, 30 * amount)
        case "Brightness":
            return functional.adjust_brightness(images, 1 + 0.9 * amount)
        case "Color":
            return functional.adjust_saturation(images, 1 + 0.9 * amount)
        case "Contrast":
            return functional.adjust_contrast(images, 1 + 0.9 * amount)
        case "Sharpness":
            return functional.adjust_sharpness(images, 1 + 0.9 * amount)
        case "Posterize":
            return functional.posterize(images, 8 - round(4 * strength))
        case "Solarize":
            return functional.solarize(images, 255 * (1 - strength))
        case "AutoContrast":
            return functional.autocontrast(images)
        case "Equalize":
            return functional.equalize(images)
        case "Invert":
            return functional.invert(images)
        case _:
            return images
