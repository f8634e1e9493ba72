"""The giving side of a meta step: pools of teachers, aligned and watched, and what their students are taught."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelheir.objective.alignment import DistributionAlignment
from modelheir.objective.meta.average import AverageWeights
from modelheir.objective.meta.collapse import CollapseWatch
from modelheir.objective.meta.heads import evaluating, logits_at
from modelheir.objective.meta.targets import Taught, make_targets

if TYPE_CHECKING:
    from modelheir.objective.meta.settings import TargetConfig
    from modelheir.types import Step

__all__ = ["Giving"]


class Giving:
    """What students are taught, step after step; a state.

    Args:
        teachers: Name -> module.
        pool: Logits ``(teachers, B, C)`` -> those that each student is taught by, ``(students, B, C)``.
        config: What is taught.
        students: One name a student.
        prior: ``(C,)``, share of each class.
        below: See :class:`CollapseWatch`.
        where: Dotted key of the settings, for messages.
    """

    def __init__(
        self,
        teachers: Mapping[str, nn.Module],
        pool: Callable[[Tensor], Tensor],
        config: TargetConfig,
        *,
        students: Sequence[str],
        prior: Tensor,
        below: float,
        where: str,
    ) -> None:
        self.teachers, self.pool, self.config = dict(teachers), pool, config
        self.watch = CollapseWatch(students, prior, below=below, where=where)
        self.alignment = (
            DistributionAlignment(prior, models=len(students), momentum=config.align_decay) if config.align else None
        )
        self.average = AverageWeights(teachers, decay=config.average_decay) if config.average_decay else None

    def averaged(self, inputs: Mapping[str, Tensor]) -> Tensor | None:
        """Return what the averaged teachers say, ``(teachers, B, C)``; ``None`` where none are averaged."""
        if self.average is None:
            return None
        with torch.no_grad(), evaluating(self.teachers.values()):
            return torch.stack(
                [logits_at(one, self.average.of(name), inputs[name]) for name, one in self.teachers.items()]
            )

    def __call__(self, said: Tensor, step: Step) -> Taught:
        """Return what students are taught by teachers that said ``(teachers, B, C)``."""
        pools = self.pool(said.detach())
        probabilities = pools.softmax(dim=-1)
        mean = step.mean(probabilities.mean(dim=1))
        if self.alignment is not None:
            self.alignment.add(mean)
        taught = make_targets(
            self._shifted(pools),
            kind=self.config.kind,
            temperature=self.config.temperature,
            confidence=self.config.confidence,
            generator=step.device_generator,
        )
        if self.config.kind == "argmax":
            shares = torch.zeros_like(probabilities).scatter_(2, pools.argmax(dim=-1, keepdim=True), 1)
            mean = step.mean(shares.mean(dim=1))
        for name, value in self.watch.add(mean).items():
            step.observe(name, value)
        for name, kept in zip(self.watch.names, taught.kept, strict=True):
            step.observe(f"taught/{name}", kept.float().mean())
        return taught

    def logits(self, said: Tensor) -> Tensor:
        """Return the logits of the probabilities that were taught, had these teachers taught; gradients flow.

        With averaged teachers they are those of the weights that train, shifted as the averaged ones were.
        """
        shifted = self._shifted(self.pool(said))
        return shifted / self.config.temperature if self.config.kind == "sharpened" else shifted

    def follow(self) -> None:
        """Let the averages follow a step."""
        if self.average is not None:
            self.average.follow()

    def _shifted(self, pools: Tensor) -> Tensor:
        if self.alignment is None:
            return pools
        return pools.log_softmax(dim=-1) + self.alignment.shift().to(pools)[:, None]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averages, the alignment, and what the watch saw."""
        return {f"{name}.{key}": one for name, part in self._parts().items() for key, one in part.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        for name, part in self._parts().items():
            part.load_state_dict({k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")})

    def _parts(self) -> dict[str, CollapseWatch | DistributionAlignment | AverageWeights]:
        parts = {"watch": self.watch, "alignment": self.alignment, "average": self.average}
        return {name: part for name, part in parts.items() if part is not None}
