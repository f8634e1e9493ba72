"""Several batches through one forward pass, and losses of the same kind that log under names of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelheir.types import Outputs

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.types import Batch, Step

__all__ = ["NamedStep", "run_together"]


def run_together(model: nn.Module, *batches: Batch) -> list[Outputs]:
    """Return what a model says of each batch, by one call, so that batch norms see the images of all.

    Example:
        >>> import torch
        >>> from modelheir.types import Batch
        >>> none = torch.full((3,), -1)
        >>> a, b = (Batch(torch.full((n, 2), float(n)), none[:n], none[:n]) for n in (1, 3))
        >>> [said.logits.tolist() for said in run_together(lambda x: Outputs(x[:, :1], x), a, b)]
        [[[1.0]], [[3.0], [3.0], [3.0]]]
    """
    import torch  # here, as front doors of methods import this file

    said: Any = model(torch.cat([batch.inputs for batch in batches]))
    sizes = [len(batch) for batch in batches]
    logits, features = said.logits.split(sizes), said.features.split(sizes)
    further = [one.split(sizes) for one in said.auxiliary]
    return [
        Outputs(logits[number], features[number], tuple(one[number] for one in further)) for number in range(len(sizes))
    ]


class NamedStep:
    """A step that logs what a loss observes under the name of whom it is about."""

    def __init__(self, step: Step, name: str) -> None:
        self._step, self._name = step, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def observe(self, name: str, value: Tensor) -> None:
        """Log ``train/accuracy`` as, say, ``train/peer_1_accuracy``."""
        group, _, last = name.rpartition("/")
        self._step.observe(f"{group}/{self._name}_{last}", value)
