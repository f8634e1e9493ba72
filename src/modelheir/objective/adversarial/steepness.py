r"""Gradient alignment: whether the loss is as steep beside an image as at it, without which a single step misleads.

.. math:: \Omega_n = 1 - \cos\big(\nabla_x \ell(x_n),\ \nabla_x \ell(x_n + \eta_n)\big), \qquad
          \eta_n \sim \mathcal{U}([-\epsilon, \epsilon]^d)

Andriushchenko and Flammarion, "Understanding and Improving Fast Adversarial Training", 2020, arXiv:2007.02617, eq. 4.
Where a gradient vanishes there is no direction, and the image counts 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks

__all__ = ["gradient_alignment"]


def gradient_alignment(loss: Callable[[Tensor], Tensor], images: Tensor, start: Tensor) -> Tensor:
    """Measure how much the gradients at images and beside them disagree.

    Args:
        loss: Images to one value an image, ``(N,)``.
        images: Float ``(N, ...)``.
        start: ``eta``, a change of each image, of their shape.

    Returns:
        One value an image, 0 to 2, shape ``(N,)``; not reduced; lower is better. Gradients flow through both, into
        whatever ``loss`` depends on: the network must be twice differentiable where it is not piecewise linear.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> images, beside = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> gradient_alignment(lambda x: x.square().sum(1), images, beside).detach()
        tensor([0.2929])
    """
    checks.same_shape(images=images, start=start)
    slopes = []
    for change in (torch.zeros_like(start), start):
        with torch.enable_grad():
            tried = (images.detach() + change.detach()).requires_grad_()
            (slope,) = torch.autograd.grad(loss(tried).sum(), tried, create_graph=True)
        slopes.append(slope.flatten(1).float())
    sizes = [slope.detach().abs().amax(dim=1, keepdim=True) for slope in slopes]
    known = ((sizes[0] > 0) & (sizes[1] > 0))[:, 0]
    scaled = [slope / torch.where(size > 0, size, 1.0) for slope, size in zip(slopes, sizes, strict=True)]
    # a gradient of zeros has no direction: a constant in its place, so that no nan flows back
    scaled = [torch.where(known[:, None], slope, torch.ones_like(slope)) for slope in scaled]
    return torch.where(known, 1 - functional.cosine_similarity(*scaled, dim=1), 0.0)
