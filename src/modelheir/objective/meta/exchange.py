"""One lesson: students are taught and take their step, and their teachers are told what it was worth.

The steps of Rothenberger and Diochnos, "Meta Co-Training", 2023, arXiv:2311.18083, algorithm 1, from the labels to the
feedback; who teaches whom, and what else a teacher learns from, is its caller's.

Ours differs where the public programs lose the signal. What comes back is about the labels that were handed out, on the
logits that they were drawn from; the labelled loss before and after a step is of the same samples, in evaluation mode
and full precision, so that neither dropout nor rounding hides a difference; gradients are those of the whole batch of
all processes, and never of a scaled loss. The labelled gradient after a student's step is computed once: it is both
what feedback is measured by and, of a view that teaches too, its own supervised gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from modelheir.objective.meta.feedback import (
    adjusted_rewards,
    difference_feedback,
    dot_feedback,
    meta_loss,
    reward_table,
)
from modelheir.objective.meta.heads import evaluating, logits_at, logits_of, own, trainable
from modelheir.objective.meta.known import Known, known_loss, mean_gradients
from modelheir.objective.meta.targets import Taught, taught_loss
from modelheir.objective.running_mean import RunningMean

if TYPE_CHECKING:
    from modelheir.objective.meta.giving import Giving
    from modelheir.objective.meta.settings import FeedbackConfig
    from modelheir.types import Step

__all__ = ["Exchange", "Exchanged"]


class Exchanged(NamedTuple):
    """What came of a lesson."""

    taught: dict[str, Tensor]  #: student -> its loss on what it was taught
    labelled: dict[str, Tensor]  #: student -> its labelled loss after its step
    gradients: dict[Tensor, Tensor]  #: of the labelled losses after the step, by parameters of the students
    back: dict[Tensor, Tensor]  #: weighted feedback, by parameters of the teachers; empty where there is none
    told: Tensor | None  #: weighted loss that ``back`` is the gradient of


class Exchange:
    """Lessons between some modules; a state.

    Args:
        giving: The teachers, and what is taught.
        students: Name -> module; each has an optimiser of its name.
        feedback: What comes back.
        unlabelled_weight: Of the loss on what is taught.
        evaluate: Whether teachers teach in evaluation mode.
        accumulate: Micro-batches of a student's passes, ``>= 1``.
        previous: Whether what comes back is at the weights that taught; false: at those after the students' step.
    """

    def __init__(
        self,
        giving: Giving,
        students: Mapping[str, nn.Module],
        feedback: FeedbackConfig,
        *,
        unlabelled_weight: float = 1.0,
        evaluate: bool = True,
        accumulate: int = 1,
        previous: bool = True,
    ) -> None:
        self.giving, self.teachers, self.students = giving, giving.teachers, dict(students)
        self.feedback, self.weight = feedback, unlabelled_weight
        self.evaluate, self.accumulate, self.previous = evaluate, accumulate, previous
        self.baseline = RunningMean(torch.zeros(len(self.students)), decay=feedback.baseline_decay)
        #: of feedback to one teacher, from the students that it has a part in teaching
        self.share = 1 / max(len(self.students) - 1, 1)

    def __call__(self, known: Known, inputs: Mapping[str, Tensor], step: Step) -> Exchanged:
        """Teach, step, measure.

        Args:
            known: Labelled samples.
            inputs: Unlabelled samples, module -> ``(B, D)``, row for row the same samples.
            step: The engine's.
        """
        form = self.feedback.form if self.feedback.used else "none"
        leaves: dict[Tensor, Tensor] = {}
        given, trained = self.giving.averaged(inputs), None
        if form != "none" or given is None:
            trained = self._say(inputs, leaves if form != "none" and self.previous else None, step)
        given = trained if given is None else given
        assert given is not None
        taught = self.giving(given, step)
        before = self._losses(known, step) if form == "difference" else None
        weights = {one: one.detach().clone() for one in self._parameters(self.students)} if form == "exact" else {}
        losses, moved = mean_gradients(
            self.students, self._taught(inputs, taught), len(taught.kept[0]), step, parts=self.accumulate
        )
        for name, module in self.students.items():
            step.apply(name, gradients=own(moved, module))
        labelled, found = self.labelled(self.students, known, step)
        if form == "none":
            return Exchanged(losses, labelled, found, {}, None)
        with _full_precision(step):
            if trained is None or not self.previous:
                trained = self._say(inputs, leaves, step)
            logits = self.giving.logits(trained)
            if form == "exact":
                told = self._rewarded(logits, taught, self._table(inputs, found, weights), step)
            elif form == "dot":
                products = [dot_feedback(own(moved, one), own(found, one)) for one in self.students.values()]
                told = self._scaled(logits, taught, torch.stack(products), step)
            else:
                assert before is not None
                told = self._scaled(logits, taught, difference_feedback(before, self._losses(known, step)), step)
            told = self.feedback.weight * self.share * told
            return Exchanged(losses, labelled, found, _averaged(told, leaves, step), told.detach())

    def labelled(
        self, modules: Mapping[str, nn.Module], known: Known, step: Step
    ) -> tuple[dict[str, Tensor], dict[Tensor, Tensor]]:
        """Return each module's labelled loss, and the gradients of all."""

        def loss(name: str, module: nn.Module, rows: slice) -> Tensor:
            return known_loss(logits_of(module(known.inputs[name][rows])), known, rows)

        return mean_gradients(modules, loss, len(known.labels), step, parts=self.accumulate)

    def _rewarded(self, logits: Tensor, taught: Taught, table: Tensor, step: Step) -> Tensor:
        """Return the loss of teachers whose labels have rewards ``(V, B, C)``; gradients flow into ``logits``."""
        self._observe(step, [_worth(*one) for one in zip(table, *taught, strict=True)])
        config = self.feedback
        table = adjusted_rewards(table, logits, centred=config.centred, scaled=config.scaled, mean=step.mean)
        rewards = (table * taught.kept[..., None])[:, self._rows(taught, step)]
        return torch.stack([meta_loss(*one) for one in zip(logits, rewards, strict=True)]).sum()

    def _scaled(self, logits: Tensor, taught: Taught, h: Tensor, step: Step) -> Tensor:
        """Return the loss of teachers on what they taught, times what it was worth, ``(V,)``."""
        self._observe(step, h)
        rows = self._rows(taught, step)
        pairs = zip(logits, taught.targets[:, rows], taught.kept[:, rows], strict=True)
        losses = torch.stack([taught_loss(*one).mean() for one in pairs])
        if not self.feedback.baseline_decay:
            return (h * losses).sum()
        known = self.baseline.value.to(h)  # of earlier steps, so that it does not depend on these labels
        self.baseline.add(h)
        return ((h - known) * losses).sum()

    def _rows(self, taught: Taught, step: Step) -> Tensor | slice:
        if not self.feedback.shuffled:
            return slice(None)
        return torch.randperm(len(taught.kept[0]), generator=step.device_generator, device=step.device)

    def _say(self, inputs: Mapping[str, Tensor], leaves: dict[Tensor, Tensor] | None, step: Step) -> Tensor:
        """Return what the teachers say, ``(teachers, B, C)``; with ``leaves`` as a function of copies of the weights.

        The copies are put there, and are what they are when a student has moved the weights in place.
        """
        modules = self.teachers.values()
        with _full_precision(step), evaluating(modules, on=self.evaluate), torch.set_grad_enabled(leaves is not None):
            if leaves is None:
                return torch.stack([logits_of(one(inputs[name])) for name, one in self.teachers.items()])
            leaves |= {one: one.detach().clone().requires_grad_() for one in self._parameters(self.teachers)}
            return torch.stack(
                [
                    logits_at(one, {key: leaves[held] for key, held in trainable(one).items()}, inputs[name])
                    for name, one in self.teachers.items()
                ]
            )

    def _taught(self, inputs: Mapping[str, Tensor], taught: Taught) -> Callable[[str, nn.Module, slice], Tensor]:
        numbers = {name: number for number, name in enumerate(self.students)}

        def loss(name: str, module: nn.Module, rows: slice) -> Tensor:
            targets, kept = (one[numbers[name]][rows] for one in taught)
            return self.weight * taught_loss(logits_of(module(inputs[name][rows])), targets, kept).mean()

        return loss

    @torch.no_grad()
    def _losses(self, known: Known, step: Step) -> Tensor:
        """Return each student's labelled loss over all processes, ``(V,)``."""
        modules = self.students
        with _full_precision(step), evaluating(modules.values()):
            found = [known_loss(logits_of(one(known.inputs[name])), known) for name, one in modules.items()]
        return step.mean(torch.stack(found))

    def _table(
        self, inputs: Mapping[str, Tensor], found: Mapping[Tensor, Tensor], weights: Mapping[Tensor, Tensor]
    ) -> Tensor:
        """Return each student's rewards at the weights that were taught, ``(V, B, C)``."""
        with evaluating(self.students.values()):
            tables = [
                reward_table(one, inputs[name], own(found, one), weights=weights) for name, one in self.students.items()
            ]
            return self.weight * torch.stack(tables)

    def _observe(self, step: Step, worth: Tensor | Sequence[Tensor]) -> None:
        for name, one in zip(self.students, worth, strict=True):
            step.observe(f"feedback/{name}", one)

    @staticmethod
    def _parameters(modules: Mapping[str, nn.Module]) -> list[Tensor]:
        return [one for module in modules.values() for one in trainable(module).values()]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the baseline and what is taught by."""
        return {f"baseline.{key}": one for key, one in self.baseline.state_dict().items()} | self.giving.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.baseline.load_state_dict({key: state[f"baseline.{key}"] for key in self.baseline.state_dict()})
        self.giving.load_state_dict(state)


def _full_precision(step: Step) -> contextlib.AbstractContextManager[object]:
    return torch.autocast(step.device.type, enabled=False)


def _worth(table: Tensor, targets: Tensor, kept: Tensor) -> Tensor:
    """Return the mean reward of what was taught: the product of the two gradients."""
    found = table.gather(1, targets[:, None])[:, 0] if targets.ndim == 1 else (table * targets).sum(dim=1)
    return found.masked_fill(~kept, 0).mean()


def _averaged(loss: Tensor, leaves: Mapping[Tensor, Tensor], step: Step) -> dict[Tensor, Tensor]:
    """Return the gradient at copies of weights, by the weights, averaged over processes in one message."""
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    found = [torch.zeros_like(one) if value is None else value for one, value in zip(leaves, found, strict=True)]
    flat = step.mean(torch.cat([one.reshape(-1) for one in found]))
    parts = flat.split([one.numel() for one in leaves])
    return {one: part.view_as(one) for one, part in zip(leaves, parts, strict=True)}
