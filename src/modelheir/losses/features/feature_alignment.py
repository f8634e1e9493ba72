r"""Feature alignment: new features at the old ones' place, image by image or class by class.

.. math:: \ell_i = \tfrac{1}{D'} \lVert f_i - f^{old}_i \rVert^2, \qquad
          \ell_i = \tfrac{1}{N} \sum_j \begin{cases} \tfrac12 r_{ij}^2 & y_i = y_j \\
          \tfrac12 \max(m - r_{ij}, 0)^2 & y_i \ne y_j \end{cases}
          \quad r_{ij} = \lVert f_i - f^{old}_j \rVert

The contrastive form follows Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", 2006, eq. 4,
with the new model on one side and the old one on the other. Of wider new features the first ``D'`` are compared, as
in backward-compatible training (Shen et al., 2020, arXiv:2003.11942).
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["contrastive_feature_alignment", "feature_alignment"]


def feature_alignment(new: Tensor, old: Tensor) -> Tensor:
    """Measure the squared distance of each image's features from its old ones.

    Args:
        new: Features of the model in training, shape ``(N, D)``, ``D >= D'``. Gradients flow here only.
        old: Features of the frozen model, shape ``(N, D')``.

    Returns:
        Mean over the ``D'`` features, ``>= 0``, shape ``(N,)``; not reduced over images.

    Raises:
        ValueError: If the new features are narrower or the lengths differ.

    Example:
        >>> feature_alignment(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[1.0, 0.0]]))
        tensor([2.])
    """
    new, old = _common_width(new, old)
    return (new - old).square().mean(dim=1)


def contrastive_feature_alignment(new: Tensor, old: Tensor, labels: Tensor, *, margin: float = 3.0) -> Tensor:
    """Pull each image to the old features of its class and push it from those of other classes.

    Args:
        new: Features of the model in training, shape ``(N, D)``, ``D >= D'``. Gradients flow here only.
        old: Features of the frozen model, shape ``(N, D')``.
        labels: int64 ``(N,)``; an unlabelled image (-1) is compared with its own old features only.
        margin: Distance ``m`` beyond which another class is far enough, ``> 0``, in the features' unit.

    Returns:
        Mean over the ``N`` images compared with, ``>= 0``, shape ``(N,)``; not reduced over images.

    Raises:
        ValueError: If the shapes do not fit or the margin is not positive.

    Example:
        >>> new, old = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [2.0]])
        >>> contrastive_feature_alignment(new, old, torch.tensor([0, 1]), margin=3.0)
        tensor([0.2500, 0.2500])
    """
    checks.same_length(new=new, labels=labels)
    checks.above(0, margin=margin)
    new, old = _common_width(new, old)
    square = (new[:, None, :] - old[None, :, :]).square().sum(dim=2)
    apart = square > 0  # the root has no slope at zero distance
    distance = torch.where(apart, square, torch.ones_like(square)).sqrt() * apart
    far = (margin - distance).clamp_min(0).square()
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    known = (labels[:, None] >= 0) & (labels[None, :] >= 0)
    same = itself | (known & (labels[:, None] == labels[None, :]))
    other = known & ~same
    return (square * same + far * other).mean(dim=1) / 2


def _common_width(new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    checks.two_dimensional(new=new, old=old)
    checks.same_length(new=new, old=old)
    width = old.shape[1]
    if new.shape[1] < width:
        raise ValueError(
            f"new features must be at least as wide as the old ones, got {new.shape[1]} and {width}: take a loss that "
            "projects them (random_projection, hint) or compares images with images (relational)"
        )
    return full_precision(new[:, :width]), full_precision(old.detach())
