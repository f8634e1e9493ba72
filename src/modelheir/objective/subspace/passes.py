"""Loss and gradient of one batch, cut into micro-batches: what a step in a plane looks at, as often as it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.objective.subspace.replay import Draws, Listening, replayed
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.types import Batch, Step

__all__ = ["Objective", "Passes", "rate_of"]

Objective = Callable[[Mapping[str, "Batch"], "Step"], LossTerms]


class Passes:
    """Passes of a model over one batch; those after the first draw what it drew and leave nothing behind.

    Args:
        model: Whose passes they are.
        objective: Batches and step to terms; a function of weights, batch and draws alone.
        batches: Of this step.
        step: The engine's.
        accumulate: Micro-batches, whose losses are averaged.
        where: Dotted key of the settings, for messages.

    Raises:
        InputError: If a batch cannot be cut into so many equal parts.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        batches: Mapping[str, Batch],
        step: Step,
        *,
        accumulate: int = 1,
        where: str = "method",
    ) -> None:
        self.model, self.objective, self.step = model, objective, step
        self.micro = list(_cut(batches, accumulate, where))
        self.draws = Draws(step)
        self.forwards, self.backwards = 0, 0

    def first(self, *leaves: nn.Parameter) -> tuple[LossTerms, dict[Tensor, Tensor]]:
        """Return this process's terms and observed values, and gradients averaged over processes.

        Terms and values are means over micro-batches. What the pass moves stays moved.
        """
        return self._gradients(leaves)

    def again(self, *leaves: nn.Parameter) -> tuple[LossTerms, dict[Tensor, Tensor]]:
        """Return the same where the weights are now."""
        with replayed(self.model, self.step, self.draws):
            return self._gradients(leaves)

    @torch.no_grad()
    def loss(self) -> Tensor:
        """Return the loss of this process where the weights are now, without a graph; a scalar."""
        self.forwards += 1
        quiet = cast("Step", Listening(self.step, {}))
        with replayed(self.model, self.step, self.draws):
            found = [self.objective(batches, quiet).total for batches in self.micro]
        return torch.stack(found).mean()

    @property
    def cost(self) -> float:
        """All passes so far in steps of SGD, in each of which a forward pass is a third."""
        return (self.forwards + 2 * self.backwards) / 3

    def _gradients(self, leaves: Sequence[nn.Parameter]) -> tuple[LossTerms, dict[Tensor, Tensor]]:
        self.forwards, self.backwards = self.forwards + 1, self.backwards + 1
        holder, share = nn.ParameterList(leaves), 1 / len(self.micro)
        terms: dict[str, Tensor] = {}
        observed: dict[str, Tensor] = {}
        gradients: dict[Tensor, Tensor] = {}
        for batches in self.micro:
            found = self.objective(batches, cast("Step", Listening(self.step, logged := {})))
            with torch.autocast(self.step.device.type, enabled=False):  # P g is no product to round
                some = self.step.gradients(found.total * share, holder)
            for means, values in ((terms, found.terms), (observed, {**found.observed, **logged})):
                for name, value in values.items():
                    means[name] = value.detach() * share + means.get(name, 0)
            for leaf, value in some.items():
                gradients[leaf] = gradients[leaf].add_(value) if leaf in gradients else value
        return LossTerms(terms, observed), gradients


def rate_of(parameter: Tensor, step: Step) -> float:
    """Return the learning rate that the engine gives a parameter in this step."""
    groups = (group for optimizer in step.optimizers.values() for group in optimizer.param_groups)
    return next(float(one["lr"]) for one in groups if any(held is parameter for held in one["params"]))


def _cut(batches: Mapping[str, Batch], parts: int, where: str) -> Iterator[Mapping[str, Batch]]:
    if parts == 1:
        yield batches
        return
    for batch in batches.values():
        if len(batch) % parts:
            raise InputError(
                f"{where}.accumulate = {parts}: must divide the {len(batch)} images that this process has in a batch."
            )
    for number in range(parts):
        sizes = {name: len(batch) // parts for name, batch in batches.items()}
        yield {
            name: batch.part(slice(number * sizes[name], (number + 1) * sizes[name])) for name, batch in batches.items()
        }
