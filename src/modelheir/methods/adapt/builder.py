"""The stages that strategies are made of; settings of one training are a grid, and later stages read its best."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import models
from modelheir.methods.adapt.domains import DomainObjective
from modelheir.methods.adapt.pull import Earlier, Pull, pulled
from modelheir.methods.given.arms import merit
from modelheir.methods.given.steps import data_of_steps
from modelheir.objective.supervised import make_supervised
from modelheir.plans import Grid, Stage, Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.data import History, ImageSet
    from modelheir.methods.adapt.tuning import Tuning
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.objective.supervised import SupervisedConfig
    from modelheir.types import Batch, StageResult, Step, Stream

__all__ = ["Builder", "Training", "best_of", "settings_of"]

Node = tuple[str, ...]  #: stages whose best is gone on with
Done = Mapping[str, "StageResult"]


@dataclasses.dataclass(frozen=True)
class Training:
    """One stage's training."""

    numbers: tuple[int, ...]  #: steps that it is trained on
    start: Node = ()  #: whose best weights it begins from
    layers: Callable[[Done, Classifier], str] | str = ""  #: what moves; "": what the run says
    weighted: bool = False  #: whether each step's images have a weight
    told: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: JSON, of this one among others
    kind: str = ""  #: of :mod:`modelheir.methods.adapt.domains`; "": images of all steps together
    pull: str = ""  #: of :mod:`modelheir.methods.adapt.pull`
    toward: tuple[tuple[Node, tuple[int, ...]], ...] = ()  #: the earlier models, and steps that each was trained on


def best_of(done: Done, node: Node) -> StageResult:
    """Return the stage of a node that is right most often on its selection images; of equals the lower loss."""
    return max((done[name] for name in node), key=merit)


def settings_of(result: StageResult) -> list[dict[str, Any]]:
    """Return of each ``setting`` of a stage its value on the selection images, and whether it is the one ``kept``."""
    grid = result.describe.get("grid")
    if grid is None:
        return [{"setting": {}, "selection": merit(result)[0], "kept": True}]
    return [{**row, "kept": number == grid["chosen"]} for number, row in enumerate(grid["members"])]


class Builder:
    """Makes the stages of one seed; a stage that two strategies share is made once.

    Args:
        given: Data and settings of the run, with the seeds of this member.
        history: The data by time.
        tuning: What is tried.
        supervised: The loss against labels.
        suffix: Of every stage's name.
    """

    def __init__(
        self, given: Given, history: History, *, tuning: Tuning, supervised: SupervisedConfig, suffix: str
    ) -> None:
        self.given, self.history, self.tuning = given, history, tuning
        self.supervised, self.suffix = supervised, suffix
        self.stages: dict[str, Stage] = {}
        #: trained stage -> the newest step that it learnt from, and the stages whose best it took over from
        self.before: dict[str, tuple[int, Node]] = {}
        self.blended: set[str] = set()  #: stages that train nothing
        self._data: dict[Any, Given] = {}

    @property
    def newest(self) -> int:
        """The number of the newest step."""
        return len(self.history) - 1

    def on(
        self, numbers: Sequence[int], *, select: Sequence[int] = (), weights: Sequence[float] = (), replay: bool = False
    ) -> Given:
        """Return what is given with the data of some steps; ``select``: whose selection images choose, none: newest."""
        key = tuple(numbers), tuple(select) or (self.newest,), tuple(weights), replay
        if key not in self._data:
            share = self.tuning.replay if replay else 0
            data = data_of_steps(self.given.data, self.history, key[0], select=key[1], weights=key[2], replay=share)
            self._data[key] = dataclasses.replace(self.given, data=data)
        return self._data[key]

    def train(
        self,
        name: str,
        numbers: Sequence[int],
        *,
        select: Sequence[int] = (),
        rates: Sequence[float] = (),
        weights: Sequence[float] = (),
        replay: bool = False,
        **training: Any,
    ) -> Node:
        """Train on some steps.

        Args:
            name: Of the stages.
            numbers: The steps.
            select: Whose selection images choose; none: the newest's.
            rates: Multipliers of the learning rate that are tried; none: 1 from scratch, else those of the tuning.
            weights: Of the images of each step; none: all 1.
            replay: Train on some images of earlier steps too.
            **training: As :class:`Training` has it.
        """
        usual = Training(tuple(numbers), weighted=bool(weights), **training)
        given = self.on(numbers, select=select, weights=weights, replay=replay)
        tried = tuple(rates) or (self.tuning.rates if usual.start else (1.0,))
        strengths = self.tuning.pulls if usual.pull else (0.0,)
        settings = [{"rate": rate, "pull": strength} for rate, strength in itertools.product(tried, strengths)]
        node = self.tune(name, settings, lambda done: self._training(given, usual, done))
        self.before[node[0]] = max(numbers), usual.start or (usual.toward[-1][0] if usual.toward else ())
        return node

    def tune(
        self, name: str, settings: Sequence[Mapping[str, float]], prepare: Callable[[Done], Callable[..., Task]]
    ) -> Node:
        """Add a training under each of some settings, of which the best on its selection images is gone on with.

        Args:
            name: Of the stage.
            settings: At least one, the same names in each; what all share is not told of them.
            prepare: Returns what makes the task of a setting, given by name; what settings share, it makes once.
        """
        varied = [key for key in settings[0] if len({setting[key] for setting in settings}) > 1]

        def made(done: Done) -> Task | Grid:
            make = prepare(done)
            if len(settings) == 1:
                return make(**settings[0])
            told = [{key: setting[key] for key in varied} for setting in settings]
            return Grid(told, lambda setting: make(**{**settings[0], **setting}))

        return (self.add(f"{name}{self.suffix}", made),)

    def blend(
        self, name: str, make: Callable[[Done, Given], tuple[Classifier, Mapping[str, Any]]], *, before: Node = ()
    ) -> Node:
        """Add a stage that trains nothing: ``make`` returns the model, which follows ``before``, and what is noted."""
        given = self.on([self.newest])

        def prepare(done: Done) -> Task:
            model, noted = make(done, given)
            task = given.task(model, given.data.stream("train", train=False), None)
            return dataclasses.replace(task, describe={**task.describe, "steps": [], **noted})

        stage = self.add(f"{name}{self.suffix}", prepare)
        self.before[stage] = self.newest, before
        self.blended.add(stage)
        return (stage,)

    def best(self, done: Done, node: Node) -> StageResult:
        """Return a node's best stage."""
        return best_of(done, node)

    def streams_of(self, numbers: Sequence[int], images: Mapping[int, ImageSet] | None = None) -> dict[str, Stream]:
        """Return a stream of each step, the longest first; their batches together are about one of the run's.

        ``images`` take the place of the training images of their steps.
        """
        batch = max(2, self.given.data.batch_size // len(numbers))
        each = {f"step_{number + 1}": self.on([number]).data for number in numbers}
        for number, train in (images or {}).items():
            data = each[f"step_{number + 1}"]
            splits = {**data.splits, "train": train}
            each[f"step_{number + 1}"] = dataclasses.replace(data, splits=splits, stores={})
        streams = {name: dataclasses.replace(data, batch_size=batch).stream() for name, data in each.items()}
        longest = max(streams, key=lambda name: len(streams[name]))
        return {longest: streams[longest], **streams}

    def model(self, done: Done, node: Node) -> Classifier:
        """Return the network of a node's best stage."""
        found = best_of(done, node)
        model = models.from_spec(found.describe["model"])
        model.load_state_dict(found.weights("model"))
        return model

    def add(self, name: str, prepare: Callable[[Done], Task | Grid]) -> str:
        """Add a stage, unless there is one of that name; return the name."""
        self.stages.setdefault(name, Stage(name, prepare))
        return name

    def _training(self, given: Given, wanted: Training, done: Done) -> Callable[..., Task]:
        start = self.model(done, wanted.start) if wanted.start else given.model.build()
        layers = wanted.layers(done, start) if callable(wanted.layers) else wanted.layers
        if wanted.start:  # its classifier layer is trained as the rest is
            given = dataclasses.replace(given, fit=dataclasses.replace(given.fit, head_multiplier=1.0))
        if layers:
            given = dataclasses.replace(given, model=dataclasses.replace(given.model, trainable=layers))
        earlier = [Earlier(self.model(done, node), self.on(numbers)) for node, numbers in wanted.toward]
        told: dict[str, Any] = {"steps": list(wanted.numbers), **({"layers": layers} if layers else {})}
        told |= {"setting": wanted.told} if wanted.told else {}
        told |= {"from": best_of(done, wanted.start).name} if wanted.start else {}

        def make(rate: float, pull: float) -> Task:
            model = copy.deepcopy(start)
            task = self._domain_task(given, wanted, model) if wanted.kind else self._plain_task(given, wanted, model)
            if wanted.pull:
                one = Pull(wanted.pull, pull, model.to(given.data.runtime.device), earlier)
                task = pulled(task, one)
            fit = dataclasses.replace(given.fit, lr=given.fit.lr * rate)
            return dataclasses.replace(task, fit=fit, describe={**task.describe, **told})

        return make

    def _plain_task(self, given: Given, wanted: Training, model: Classifier) -> Task:
        loss, extra = make_supervised(self.supervised), {}
        if wanted.weighted:
            import torch

            extra["weight"] = torch.tensor(given.data.splits["train"].columns["weight"], dtype=torch.float32)

        def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
            batch = batches["train"]
            return LossTerms(loss(model(batch.inputs), batch, step))

        return given.task(model, given.data.stream(extra=extra), objective)

    def _domain_task(self, given: Given, wanted: Training, model: Classifier) -> Task:
        streams = self.streams_of(wanted.numbers)
        names = sorted(streams, key=lambda name: int(name.rpartition("_")[2]))
        objective = DomainObjective(wanted.kind, model, names, self.tuning.domains, self.supervised)
        task = given.task(model, next(iter(streams.values())), objective, state={"domains": objective})
        return dataclasses.replace(task, streams=streams)
