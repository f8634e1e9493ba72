r"""Noisy teacher: for some images the old model's logits are stretched by random factors, as if many had answered.

.. math:: z'_{nc} = (1 + \xi_{nc}\, m_n)\, z_{nc}, \quad \xi \sim \mathcal N(0, \sigma^2),\ m_n = 1
          \text{ with probability } \alpha

Sau and Balasubramanian, "Deep Model Compression: Distilling Knowledge from Noisy Teachers", 2016, arXiv:1610.09650.
The noise is relative: a logit of 0 stays 0. So the result depends on a constant that is added to all logits.
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["noisy_teacher"]


def noisy_teacher(logits: Tensor, *, generator: torch.Generator, std: float = 0.1, probability: float = 0.5) -> Tensor:
    """Disturb the logits of some images.

    Args:
        logits: Logits of the frozen model, shape ``(N, C)``.
        generator: Of all draws, on the logits' device; how many are drawn depends on the shape only.
        std: Standard deviation of the relative noise, ``>= 0``.
        probability: Share of images that are disturbed, 0 to 1.

    Returns:
        Logits, shape ``(N, C)``, in float32 or wider.

    Raises:
        ValueError: If the logits are no matrix or a setting is out of range.

    Example:
        >>> logits = torch.tensor([[2.0, -1.0, 0.0]])
        >>> noisy_teacher(logits, generator=torch.Generator().manual_seed(0), std=0.0)
        tensor([[ 2., -1.,  0.]])
    """
    checks.two_dimensional(logits=logits)
    checks.at_least(0, std=std)
    checks.in_range(0, 1, probability=probability)
    logits = full_precision(logits)
    noise = torch.empty_like(logits).normal_(generator=generator)
    chosen = torch.empty_like(logits[:, :1]).uniform_(generator=generator) < probability
    return logits * (1 + std * noise * chosen)
