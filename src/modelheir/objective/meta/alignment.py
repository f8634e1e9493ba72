r"""Distribution alignment: what a teacher says is brought to the frequencies that the classes have.

.. math:: \tilde p_c \propto p_c \, \frac{\pi_c + 10^{-6}}{\bar p_c + 10^{-6}}

with ``pi`` the prior and ``p-bar`` the running mean of the teacher's probabilities over unlabelled samples. Berthelot
et al., "ReMixMatch", 2020, arXiv:1911.09785, section 3.1; there the mean is of the last 128 batches, here it decays.
In logits it adds one number a class, so that what is drawn, sharpened or differentiated afterwards is all of the
aligned probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from modelheir.objective.meta.running_mean import RunningMean

__all__ = ["DistributionAlignment"]

_SMALL = 1e-6


class DistributionAlignment:
    """The shift of logits that each of several teachers needs; a state.

    Args:
        prior: ``(C,)``, share of each class, adding up to 1.
        teachers: How many there are, ``V``.
        decay: A step, of the running mean.

    Example:
        >>> import torch
        >>> alignment = DistributionAlignment(torch.tensor([0.5, 0.5]), teachers=1)
        >>> alignment.add(torch.tensor([[0.8, 0.2]]))
        >>> (torch.tensor([[0.8, 0.2]]).log() + alignment.shift()).softmax(1)
        tensor([[0.5000, 0.5000]])
    """

    def __init__(self, prior: Tensor, *, teachers: int, decay: float = 0.999) -> None:
        self.prior = prior
        self.mean = RunningMean(prior.expand(teachers, -1).clone(), decay=decay)

    def add(self, probabilities: Tensor) -> None:
        """Take each teacher's mean probabilities over a batch of all processes, ``(V, C)``."""
        self.mean.add(probabilities)

    def shift(self) -> Tensor:
        """Return what is added to the teachers' logits, ``(V, C)``; 0 before anything was seen."""
        mean = self.mean.value
        return ((self.prior.to(mean) + _SMALL) / (mean + _SMALL)).log()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the running mean."""
        return self.mean.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self.mean.load_state_dict(state)
