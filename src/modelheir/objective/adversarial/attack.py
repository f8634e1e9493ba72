r"""Attacks: images changed by at most :math:`\epsilon` in every number, step by step towards a larger loss.

.. math:: x' \leftarrow \Pi\big(x' + \alpha\, \mathrm{sign}(\nabla_{x'} \ell(x'))\big), \qquad
          \Pi \text{ onto } [x - \epsilon, x + \epsilon] \cap [0, 1]

One step from a random start is that of Wong et al., "Fast is better than free", 2020, arXiv:2001.03994, Algorithm 3
(without a random start: Goodfellow et al., 2015, arXiv:1412.6572); several are those of Madry et al., 2018,
arXiv:1706.06083, eq. 5. Images are from 0 to 1 and not normalised, so that :math:`\epsilon` is in their own unit
whatever the network does with them.

An attack leaves the network alone: no parameter gets a gradient, and no statistic of a batch norm moves, although in
training mode it normalises by the batch. What a network draws by itself (dropout) is drawn anew at each step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from modelheir import checks

__all__ = ["ascend", "bernoulli_start", "normal_start", "undisturbed", "uniform_start"]


def ascend(
    loss: Callable[[Tensor], Tensor], images: Tensor, start: Tensor, *, epsilon: float, step_size: float, steps: int
) -> Tensor:
    """Return attacked images.

    Args:
        loss: Images to one value an image, ``(N,)``, which is to grow; each may read its own image alone.
        images: Float ``(N, ...)``, 0 to 1.
        start: Where the search begins: a change of each image, of their shape.
        epsilon: Largest change of a number, 0 to 1.
        step_size: Change of a number in one step, ``> 0``; with ``epsilon`` 0 it may be 0.
        steps: How many, ``>= 1``.

    Returns:
        Float ``(N, ...)``, 0 to 1, of which no gradient flows back.

    Raises:
        ValueError: If the shapes differ or a setting is out of range.

    Example:
        >>> images, weight = torch.tensor([[0.5, 0.05]]), torch.tensor([2.0, -1.0])
        >>> ascend(lambda x: x @ weight, images, torch.zeros(1, 2), epsilon=0.1, step_size=0.1, steps=1)
        tensor([[0.6000, 0.0000]])
    """
    checks.same_shape(images=images, start=start)
    checks.in_range(0, 1, epsilon=epsilon)
    checks.at_least(0, step_size=step_size)
    checks.at_least(1, steps=steps)
    images = images.detach()
    low, high = (images - epsilon).clamp_min(0), (images + epsilon).clamp_max(1)
    found = (images + start.detach()).clamp(low, high)
    for _ in range(steps):
        with torch.enable_grad():
            tried = found.requires_grad_()
            (slope,) = torch.autograd.grad(loss(tried).sum(), tried)
        found = (tried.detach() + step_size * slope.sign()).clamp(low, high)
    return found


def uniform_start(images: Tensor, epsilon: float, *, generator: torch.Generator) -> Tensor:
    """Return a change of each number drawn evenly from ``-epsilon`` to ``epsilon``."""
    return epsilon * (2 * torch.rand(images.shape, generator=generator, device=images.device, dtype=images.dtype) - 1)


def bernoulli_start(images: Tensor, size: float, *, generator: torch.Generator) -> Tensor:
    """Return a change of each number that is ``size`` or its opposite, evenly."""
    drawn = torch.rand(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    return torch.where(drawn < 0.5, -size, size).to(images.dtype)


def normal_start(images: Tensor, size: float, *, generator: torch.Generator) -> Tensor:
    """Return a change of each number drawn from a normal distribution of this deviation."""
    return size * torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Let batch norms in training mode normalise by the batch without moving their running statistics, for a while."""
    moving = [
        part
        for part in model.modules()
        if isinstance(part, nn.modules.batchnorm._NormBase) and part.training and part.track_running_stats
    ]
    for part in moving:
        part.track_running_stats = False  # torch reads it in each forward pass; the buffers stay in their places
    try:
        yield
    finally:
        for part in moving:
            part.track_running_stats = True
