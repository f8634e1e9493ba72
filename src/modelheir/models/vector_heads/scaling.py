r"""How vectors are scaled before a head reads them: encoders differ in scale, and heads are drawn for a scale of one.

.. math:: x'_d = \frac{x_d - \mu_d}{\sigma_d} \quad \text{(standard)}, \qquad x' = \frac{x}{\lVert x \rVert_2}
          \quad \text{(l2)}

with mean and deviation of the training vectors. They are part of the head's weights, so that a head that is read back
scales as it was trained. A number that never varies is only shifted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["Moments", "Scaling", "vector_moments"]


class Moments(NamedTuple):
    """What is known of the training vectors, number by number."""

    mean: Tensor  #: float32 ``(D,)``
    deviation: Tensor  #: float32 ``(D,)``, above 0; 1 where the number never varies


def vector_moments(blocks: Iterable[np.ndarray | Tensor]) -> Moments:
    """Return mean and deviation of vectors that come in blocks, so that they need not fit into memory.

    Args:
        blocks: Finite floats ``(n, D)`` each, of any lengths; at least one vector in all.

    Returns:
        The moments; the deviation divides by ``N``.

    Raises:
        InputError: If there is no vector, or a number is not finite.
        ValueError: If a block is no ``(n, D)``, or widths differ.

    Example:
        >>> vector_moments([np.array([[1.0, 5.0]]), np.array([[3.0, 5.0]])])
        Moments(mean=tensor([2., 5.]), deviation=tensor([1., 1.]))
    """
    count, mean, squares = 0, np.zeros(0), np.zeros(0)
    for block in blocks:
        values = np.asarray(block, dtype=np.float64)
        checks.two_dimensional(vectors=values)
        if not len(values):
            continue
        if not count:
            mean, squares = np.zeros(values.shape[1]), np.zeros(values.shape[1])
        checks.same_length(mean=mean, vector=values[0])
        own = values.mean(axis=0)
        gap, total = own - mean, count + len(values)
        squares += np.square(values - own).sum(axis=0) + np.square(gap) * (count * len(values) / total)
        mean += gap * (len(values) / total)
        count = total
    if not count:
        raise InputError("there is no vector to take the mean and deviation of: give training vectors.")
    bad = np.flatnonzero(~np.isfinite(squares))
    if len(bad):
        raise InputError(f"number {bad[0]} of a training vector is not finite: compute the vectors again.")
    deviation = np.sqrt(squares / count)
    still = deviation <= 1e-6 * np.abs(mean)  # rounding of a number that is the same in all
    return Moments(
        torch.from_numpy(mean).float(), torch.from_numpy(np.where(still | (deviation == 0), 1, deviation)).float()
    )


class Scaling(nn.Module):
    """Scales vectors ``(N, D)``, in their own type."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, kind: str, width: int, moments: Moments | None = None) -> None:
        """Make it.

        Args:
            kind: ``standard``, ``l2`` or ``none``.
            width: ``D``.
            moments: Of the training vectors, read by ``standard``; without, nothing is changed until
                ``load_state_dict`` brings them.
        """
        super().__init__()
        checks.one_of(("standard", "l2", "none"), normalise=kind)
        self.kind = kind
        if kind == "standard":
            found = moments or Moments(torch.zeros(width), torch.ones(width))
            checks.same_shape(vector=torch.empty(width), mean=found.mean, deviation=found.deviation)
            self.register_buffer("mean", found.mean.detach().clone())
            self.register_buffer("deviation", found.deviation.detach().clone())

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the vectors as the layers see them; a vector of zeros stays one."""
        if self.kind == "standard":
            return (vectors - self.mean.to(vectors.dtype)) / self.deviation.to(vectors.dtype)
        return functional.normalize(vectors, dim=1) if self.kind == "l2" else vectors
