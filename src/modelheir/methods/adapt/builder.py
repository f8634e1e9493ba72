"""The stages that strategies are made of: each setting that is tuned is a stage, and later ones read the best of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir.objective.supervised import make_supervised
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.methods.given import Given
    from modelheir.methods.given.steps import Steps
    from modelheir.models import Classifier
    from modelheir.objective.supervised import SupervisedConfig
    from modelheir.types import Batch, StageResult, Step

__all__ = ["Builder", "best_of", "merit"]

Node = tuple[str, ...]  #: stages that differ in what is tuned alone
Done = Mapping[str, "StageResult"]


def best_of(done: Done, node: Node) -> StageResult:
    """Return the stage of a node that is right most often on its selection images; of equals the lower loss."""
    return max((done[name] for name in node), key=merit)


def merit(result: StageResult) -> tuple[float, float]:
    """Return what stages are ranked by: accuracy on their selection images, then the loss there, turned round."""
    return result.metrics["val/accuracy"], -result.metrics["val/loss"]


class Builder:
    """Makes the stages of one seed; a stage that two strategies share is made once.

    Args:
        given: Data and settings of the run, with the seeds of this member.
        steps: The data by time.
        rates: Multipliers of the learning rate that are tried where training begins from trained weights.
        supervised: The loss against labels.
        suffix: Of every stage's name.
    """

    def __init__(
        self, given: Given, steps: Steps, *, rates: Sequence[float], supervised: SupervisedConfig, suffix: str
    ) -> None:
        self.given, self.steps, self.rates, self.supervised, self.suffix = (
            given,
            steps,
            tuple(rates),
            supervised,
            suffix,
        )
        self.stages: dict[str, Stage] = {}
        self._data: dict[tuple[tuple[int, ...], tuple[int, ...]], Given] = {}

    @property
    def newest(self) -> int:
        """The number of the newest step."""
        return len(self.steps) - 1

    def on(self, numbers: Sequence[int], *, select: Sequence[int] = ()) -> Given:
        """Return what is given with the data of some steps; ``select``: whose selection images choose, none: newest."""
        key = tuple(numbers), tuple(select) or (self.newest,)
        if key not in self._data:
            data = self.steps.of(self.given.data, key[0], select=key[1])
            self._data[key] = dataclasses.replace(self.given, data=data)
        return self._data[key]

    def train(
        self,
        name: str,
        numbers: Sequence[int],
        *,
        select: Sequence[int] = (),
        start: Node = (),
        trainable: str = "",
        weights: Sequence[float] = (),
        rates: Sequence[float] = (),
    ) -> Node:
        """Train on some steps together.

        Args:
            name: Of the stages.
            numbers: The steps.
            select: Whose selection images choose; none: the newest's.
            start: Whose best weights training begins from; none: from the network as built.
            trainable: What moves; "": what the run says.
            weights: Of the loss of each step's images; none: all 1.
            rates: Multipliers of the learning rate that are tried; none: 1 from scratch, else those of the builder.
        """
        rates = tuple(rates) or (self.rates if start else (1.0,))
        names = tuple(f"{name}{f'_rate{rate:g}' if len(rates) > 1 else ''}{self.suffix}" for rate in rates)
        given = self.on(numbers, select=select)
        if trainable:
            given = dataclasses.replace(given, model=dataclasses.replace(given.model, trainable=trainable))
        for stage, rate in zip(names, rates, strict=True):
            if stage not in self.stages:
                prepare = self._prepare(given, numbers, start, weights, rate)
                self.stages[stage] = Stage(stage, prepare)
        return names

    def blend(self, name: str, make: Callable[[Done, Given], tuple[Classifier, Mapping[str, Any]]]) -> Node:
        """Add a stage that trains nothing: ``make`` returns the model, and what is noted of it."""
        given = self.on([self.newest])

        def prepare(done: Done) -> Task:
            model, noted = make(done, given)
            task = given.task(model, given.data.stream("train", train=False), None)
            return dataclasses.replace(task, describe={**task.describe, **noted})

        self.stages.setdefault(name + self.suffix, Stage(name + self.suffix, prepare))
        return (name + self.suffix,)

    def model(self, done: Done, node: Node) -> Classifier:
        """Return the network with the weights of a node's best stage."""
        model = self.given.model.build()
        model.load_state_dict(best_of(done, node).weights("model"))
        return model

    def _prepare(
        self, given: Given, numbers: Sequence[int], start: Node, weights: Sequence[float], rate: float
    ) -> Callable[[Done], Task]:
        def prepare(done: Done) -> Task:
            model = self.model(done, start) if start else given.model.build()
            task = given.task(model, self._stream(given, numbers, weights), self._objective(model))
            return (
                task
                if rate == 1
                else dataclasses.replace(task, fit=dataclasses.replace(given.fit, lr=given.fit.lr * rate))
            )

        return prepare

    def _stream(self, given: Given, numbers: Sequence[int], weights: Sequence[float]) -> Any:
        if not weights:
            return given.data.stream()
        import torch

        sizes = [len(self.steps.parts[number]["train"]) for number in numbers]
        each = torch.repeat_interleave(torch.tensor(list(weights)), torch.tensor(sizes))
        return given.data.stream(extra={"weight": each})

    def _objective(self, model: Classifier) -> Callable[[Mapping[str, Batch], Step], LossTerms]:
        loss = make_supervised(self.supervised)

        def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
            batch = batches["train"]
            return LossTerms(loss(model(batch.inputs), batch, step))

        return objective
