r"""Whether teachers have come to say one class of everything: the entropy of what they say on average.

.. math:: H_v = -\sum_c \bar q_c \log \bar q_c, \qquad \text{collapsed where } H_v < k \, H(\pi)

with ``q-bar`` the mean of teacher ``v``'s probabilities, or the shares of its hard labels, over the unlabelled samples
of an epoch, before any alignment, which would hide it; and ``pi`` the prior of the classes. Two such epochs in a row
count: heads as drawn may say one class, and have unlearnt it an epoch later. Models that teach each
other can agree on a constant and lose nothing by it but the labelled samples. Sums stay on the device, and are read
when :meth:`CollapseWatch.check` is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["CollapseWatch", "entropy"]


def entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy of the last dimension, in nats.

    >>> entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    tensor([0.6931, 0.0000])
    """
    return torch.special.entr(probabilities).sum(dim=-1)


class CollapseWatch:
    """What teachers said since the last check; a state.

    Args:
        names: One a teacher, for messages.
        prior: ``(C,)``, share of each class.
        below: Share of the prior's entropy below which, at two checks in a row, training ends, 0 to 1; 0: never.
        where: Dotted key of the settings, for messages.
    """

    def __init__(self, names: Sequence[str], prior: Tensor, *, below: float, where: str = "method") -> None:
        checks.in_range(0, 1, below=below)
        self.names, self.prior, self.below, self.where = tuple(names), prior, below, where
        self._sum = torch.zeros(len(self.names), len(prior))
        self._low = torch.zeros(len(self.names), dtype=torch.bool)  #: at the last check

    @torch.no_grad()
    def add(self, said: Tensor) -> dict[str, Tensor]:
        """Take the teachers' mean probabilities over a batch of all processes, ``(V, C)``.

        Returns:
            What can be logged, each a scalar of this batch: ``entropy/<name>``, in shares of the prior's entropy, and
            ``commonest/<name>``, the share of the class that it says most.
        """
        self._sum = self._sum.to(said) + said
        shares, most = entropy(said) / entropy(self.prior.to(said)).clamp_min(1e-12), said.amax(dim=1)
        found = {f"entropy/{name}": shares[number] for number, name in enumerate(self.names)}
        return {**found, **{f"commonest/{name}": most[number] for number, name in enumerate(self.names)}}

    def check(self, epoch: int) -> None:
        """Look at what was said since the last check, and begin anew; the only place that waits for the device.

        Args:
            epoch: From 0, for the message.

        Raises:
            InputError: If a teacher has collapsed; says which, how far, and what to set.
        """
        said, self._sum = self._sum.double().cpu(), torch.zeros_like(self._sum)
        before, whole = self._low, entropy(self.prior.double().cpu())
        means = said / said.sum(dim=1, keepdim=True)  # nan where nothing was said, which is below nothing
        self._low = entropy(means) < self.below * whole
        for name, mean, low in zip(self.names, means, self._low & before, strict=True):
            if low:
                raise InputError(
                    f"the labels given to {name} collapsed by epoch {epoch + 1}: {100 * float(mean.max()):.0f} % are "
                    f"class {int(mean.argmax())} (entropy {float(entropy(mean)):.2f} of {float(whole):.2f} nats). "
                    f"Lower fit.lr, keep {self.where}.targets.align on, raise {self.where}.targets.confidence, or set "
                    f"{self.where}.collapse_below = 0 to go on."
                )

    def state_dict(self) -> dict[str, Tensor]:
        """Return what was said since the last check."""
        return {"sum": self._sum, "low": self._low}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        checks.same_shape(saved=state["sum"], sum=self._sum)
        self._sum, self._low = state["sum"].clone(), state["low"].clone().cpu()
