r"""Relational distillation (RKD): keep how far apart images lie, and the angles between them.

.. math:: \ell_i = \tfrac{w_d}{B} \sum_j h\Bigl(\tfrac{d_{ij}}{\bar d}, \tfrac{d^{old}_{ij}}{\bar d^{old}}\Bigr)
          + \tfrac{w_a}{B^2} \sum_{jk} h(\langle e_{ij}, e_{ik} \rangle, \langle e^{old}_{ij}, e^{old}_{ik} \rangle)

with ``h`` smooth L1 (turning at 1), ``d_ij`` the distance of two images' features, divided by the mean of all ``B^2``
of them, and ``e_ij`` the unit vector from image ``i`` to image ``j``.
Park et al., "Relational Knowledge Distillation", 2019, arXiv:1904.05068, sec. 3.2.

The paper weighs the two terms 25 and 50; ours are 1 and 1. Its means leave out an image's distance to itself; here, as
in PaddleClas, every pair and triple counts, and no distance is below 1e-6. The mean of the values is the loss: an
image's row of distances, and the angles at it. Angles take ``B^3 D`` multiplications; they are computed for some images
at a time and again in the backward pass, so that no ``B^3`` values are ever held.
"""

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from modelheir import checks
from modelheir.losses.features.maps import unit_length
from modelheir.losses.gather import Gather, first_row
from modelheir.losses.precision import full_precision

__all__ = ["relational"]

_FLOOR = 1e-6  # of a distance, also of an image's to itself
_MOST = 2**22  # values held at a time while angles are computed, or those of one image


def relational(
    new: Tensor,
    old: Tensor,
    *,
    distance_weight: float = 1.0,
    angle_weight: float = 1.0,
    pool_size: int = 0,
    gather: Gather | None = None,
) -> Tensor:
    """Measure how badly each image's new features keep its distances and angles to the other images.

    Args:
        new: Features of the model in training, shape ``(N, D)`` or maps, which are flattened. Gradients flow here only.
        old: Features of the frozen model, ``(N, D')`` or maps; the widths may differ.
        distance_weight: Weight of the distances, ``>= 0``; 0 leaves them out.
        angle_weight: Weight of the angles, ``>= 0``; 0 leaves them out, and with them the cubic cost.
        pool_size: Average maps to this many places a side before they are flattened; 0 does not.
        gather: Concatenates a tensor over all processes with gradient, as :func:`all_gather`, where images shall be
            related to the whole batch; ``None`` relates this process's images.

    Returns:
        One value an image of this process, ``>= 0``, shape ``(N,)``; their mean is the loss. One image alone has 0.

    Raises:
        ValueError: If the lengths differ, a setting is out of range, both weights are 0, or vectors are to be pooled.

    Example:
        >>> new = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
        >>> old = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
        >>> relational(new, old, angle_weight=0.0)
        tensor([0.0386, 0.0958, 0.0643])
    """
    checks.same_length(new=new, old=old)
    checks.at_least(0, distance_weight=distance_weight, angle_weight=angle_weight, pool_size=pool_size)
    if distance_weight == 0 and angle_weight == 0:
        raise ValueError("relational needs a distance_weight or an angle_weight above 0")
    count = new.shape[0]
    with torch.autocast(new.device.type, enabled=False):
        new, old = (_vectors(full_precision(part), pool_size) for part in (new, old.detach()))
        own = slice(0, count)
        if gather is not None:
            own = slice(first_row(count), first_row(count) + count)
            new, old = gather(new), gather(old)
        value = new.new_zeros(count)
        if distance_weight > 0:
            gap = functional.smooth_l1_loss(_distances(new)[own], _distances(old)[own], reduction="none")
            value = value + distance_weight * gap.mean(dim=1)
        if angle_weight > 0:
            value = value + angle_weight * _angle_gaps(new, old, own)
    return value


def _vectors(features: Tensor, pool_size: int) -> Tensor:
    if pool_size > 0:
        if features.ndim != 4:
            raise ValueError(f"pool_size needs feature maps (N, C, H, W), got shape {tuple(features.shape)}")
        features = functional.adaptive_avg_pool2d(features, pool_size)
    return features.flatten(1)


def _distances(features: Tensor) -> Tensor:
    plain = "donot_use_mm_for_euclid_dist"  # differences first: a squared length minus another loses the small ones
    distances = torch.cdist(features, features, compute_mode=plain).clamp_min(_FLOOR)
    return distances / (distances.mean() + 1e-12)


def _angle_gaps(new: Tensor, old: Tensor, own: slice) -> Tensor:
    batch, width = new.shape[0], max(new.shape[1], old.shape[1])
    block = max(1, _MOST // max(1, batch * (batch + width)))
    parts = []
    for start in range(own.start, max(own.stop, own.start + 1), block):  # no image is one block of none
        images = slice(start, min(start + block, own.stop))
        parts.append(checkpoint(_angle_gap, new, old, images, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(parts)


def _angle_gap(new: Tensor, old: Tensor, images: slice) -> Tensor:
    gap = functional.smooth_l1_loss(_cosines(new, images), _cosines(old, images), reduction="none")
    return gap.mean(dim=(1, 2))


def _cosines(features: Tensor, images: slice) -> Tensor:
    towards = unit_length(features[None, :, :] - features[images, None, :], dim=2)
    return towards @ towards.mT
