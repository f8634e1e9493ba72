r"""Noise on stored vectors, which have no crops or colours to change.

.. math:: x'_d = \mu_d + \frac{k_d}{1 - r} (x_d - \mu_d), \quad x'_d = \mu_d + k_d (x_d - \mu_d), \quad
          x'_d = x_d + s \sigma_d \epsilon_d

Dropout, masking and Gaussian noise, in this order, each where its strength is above 0: ``k`` is 0 with probability
``r``, else 1; ``epsilon`` is standard normal. What is left out takes the mean of the training vectors, which tells
nothing, where 0 could be far from all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["VectorNoise"]


class VectorNoise:
    """Changes vectors ``(N, D)`` by draws from a generator.

    Args:
        mean: Of the training vectors, ``(D,)``, on the device of batches.
        deviation: Of the training vectors, ``(D,)``, ``>= 0``.
        gaussian: ``s``, ``>= 0``.
        dropout: ``r`` of dropout, 0 to 1.
        mask: ``r`` of masking, 0 to 1.

    Example:
        >>> noise = VectorNoise(torch.tensor([1.0, 2.0]), torch.ones(2), mask=1.0)
        >>> noise(torch.tensor([[5.0, 5.0]]), torch.Generator())
        tensor([[1., 2.]])
    """

    def __init__(
        self, mean: Tensor, deviation: Tensor, *, gaussian: float = 0.0, dropout: float = 0.0, mask: float = 0.0
    ) -> None:
        checks.same_shape(mean=mean, deviation=deviation)
        checks.at_least(0, gaussian=gaussian)
        checks.in_range(0, 1, dropout=dropout, mask=mask)
        self.mean, self.deviation = mean, deviation
        self.gaussian, self.dropout, self.mask = gaussian, dropout, mask

    def __call__(self, vectors: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed vectors; those given stay as they are.

        Args:
            vectors: Float ``(N, D)``.
            generator: On their device.
        """
        checks.two_dimensional(vectors=vectors)
        checks.same_length(mean=self.mean, numbers=vectors.T)
        mean, deviation = (part.to(vectors.dtype) for part in (self.mean, self.deviation))
        if self.dropout > 0:
            scale = 1 / (1 - self.dropout) if self.dropout < 1 else 0.0
            vectors = torch.where(
                _kept(vectors, self.dropout, generator), mean + (vectors - mean) * scale, mean.expand_as(vectors)
            )
        if self.mask > 0:
            vectors = torch.where(_kept(vectors, self.mask, generator), vectors, mean)
        if self.gaussian > 0:
            drawn = torch.randn(vectors.shape, generator=generator, device=vectors.device, dtype=vectors.dtype)
            vectors = vectors + self.gaussian * deviation * drawn
        return vectors


def _kept(vectors: Tensor, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(vectors.shape, generator=generator, device=vectors.device) >= share
