r"""Teachers with averaged weights: each step their weights follow those that train.

.. math:: \bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta

Tarvainen and Valpola, "Mean teachers", 2017, arXiv:1703.01780. Buffers (running statistics) are averaged with the
weights; counts are copied. The average begins as the weights are at the first call, after the engine has made the
processes' weights one.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modelheir import checks

__all__ = ["AverageWeights"]


class AverageWeights:
    """Averages of the weights of several modules; a state.

    Args:
        modules: Name -> module; never changed.
        decay: A step, 0 to 1.

    Example:
        >>> head = torch.nn.Linear(1, 1)
        >>> average = AverageWeights({"head": head}, decay=0.5)
        >>> with torch.no_grad():
        ...     _ = head.weight.fill_(2.0)
        >>> average.follow()  # begins
        >>> with torch.no_grad():
        ...     _ = head.weight.fill_(4.0)
        >>> average.follow()
        >>> average.of("head")["weight"]
        tensor([[3.]])
    """

    def __init__(self, modules: Mapping[str, nn.Module], *, decay: float) -> None:
        checks.in_range(0, 1, decay=decay)
        self.modules, self.decay = dict(modules), decay
        self._held: dict[str, dict[str, Tensor]] = {}

    def of(self, name: str) -> dict[str, Tensor]:
        """Return the averaged parameters and buffers of a module by their names in it."""
        self._begin()
        return dict(self._held[name])

    @torch.no_grad()
    def follow(self) -> None:
        """Move towards the weights as they are; the first call takes them over."""
        if self._begin():
            return
        for name, module in self.modules.items():
            held, now = self._held[name], module.state_dict()
            moving = [key for key, one in held.items() if one.is_floating_point()]
            ours, theirs = [held[key] for key in moving], [now[key] for key in moving]
            torch._foreach_lerp_(ours, theirs, 1 - self.decay)  # pyright: ignore[reportPrivateImportUsage]
            for key in held.keys() - set(moving):
                held[key].copy_(now[key])

    def _begin(self) -> bool:
        if self._held:
            return False
        self._held = {
            name: {key: one.detach().clone() for key, one in module.state_dict().items()}
            for name, module in self.modules.items()
        }
        return True

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averages; nothing before the first call."""
        numbers = {name: number for number, name in enumerate(self.modules)}
        return {f"{numbers[name]}.{key}": one for name, held in self._held.items() for key, one in held.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self._held = {}
        if state and self._begin():
            for number, held in enumerate(self._held.values()):
                for key, one in held.items():
                    one.copy_(state[f"{number}.{key}"])
