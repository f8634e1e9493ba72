r"""Mixup and CutMix over a batch: two images become one, and so do their labels.

.. math:: x = \lambda x_i + (1 - \lambda) x_j, \quad y = \lambda y_i + (1 - \lambda) y_j

For CutMix a rectangle of ``x_j`` covers ``1 - lambda`` of the picture. One ``lambda`` a batch.

Zhang et al., "mixup", 2018; Yun et al., "CutMix", 2019. Ours pairs neighbours (first with second, third with fourth,
...) of the shuffled batch, so that a pair stays together when a batch is shared by processes with even parts.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from scipy import special
from torch import Tensor

__all__ = ["Mixture", "choose_mixture", "mix", "mixed_targets"]


@dataclasses.dataclass(frozen=True)
class Mixture:
    """What happens to one batch."""

    weight: float  #: of an image's own label, 0 to 1
    box: tuple[int, int, int, int] | None = None  #: top, left, height, width taken from the partner; absent for mixup


def choose_mixture(
    draws: np.ndarray, *, mixup: float, cutmix: float, probability: float, switch: float, size: int
) -> Mixture:
    """Choose what happens to a batch.

    Args:
        draws: Five uniform numbers in [0, 1): use, kind, weight, and the rectangle's centre.
        mixup: Alpha of ``Beta(alpha, alpha)``, 0 is off.
        cutmix: Alpha of ``Beta(alpha, alpha)``, 0 is off.
        probability: Of mixing at all.
        switch: Probability of CutMix where both are on.
        size: Pixels a side.

    Returns:
        The mixture; weight 1 where nothing is mixed.

    Example:
        >>> choose_mixture(np.array([0, 0, 0.5, 0, 0]), mixup=1.0, cutmix=0.0, probability=1.0, switch=0.5, size=8)
        Mixture(weight=0.5, box=None)
    """
    if draws[0] >= probability or not (mixup or cutmix):
        return Mixture(1.0)
    cut = bool(cutmix) and (not mixup or draws[1] < switch)
    alpha = cutmix if cut else mixup
    weight = float(special.betaincinv(alpha, alpha, draws[2]))
    if not cut:
        return Mixture(weight)
    side = int(size * np.sqrt(1 - weight))
    centre_y, centre_x = int(draws[3] * size), int(draws[4] * size)
    top, bottom = (int(np.clip(centre_y + d, 0, size)) for d in (-(side // 2), side - side // 2))
    left, right = (int(np.clip(centre_x + d, 0, size)) for d in (-(side // 2), side - side // 2))
    return Mixture(1 - (bottom - top) * (right - left) / size**2, (top, left, bottom - top, right - left))


def mix(images: Tensor, mixture: Mixture) -> Tensor:
    """Mix neighbouring float images ``(N, channels, H, W)``; of an odd number the last stays as it is."""
    if mixture.weight == 1:
        return images
    other = images[_partner(images)]
    if mixture.box is None:
        return mixture.weight * images + (1 - mixture.weight) * other
    top, left, height, width = mixture.box
    images = images.clone()
    images[:, :, top : top + height, left : left + width] = other[:, :, top : top + height, left : left + width]
    return images


def mixed_targets(labels: Tensor, mixture: Mixture, *, classes: int) -> Tensor:
    """Return float32 target probabilities ``(N, C)`` for labels ``(N,)`` from 0 to ``C - 1``."""
    own = torch.nn.functional.one_hot(labels, classes).float()
    return mixture.weight * own + (1 - mixture.weight) * own[_partner(labels)]


def _partner(values: Tensor) -> Tensor:
    place = torch.arange(values.shape[0], device=values.device)
    return (place ^ 1).clamp_max(values.shape[0] - 1)
