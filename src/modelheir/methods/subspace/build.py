"""What the stages of one seed share: the snapshots, the network that they are of, and the plane that they span."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import models, subspace
from modelheir.checks import InputError
from modelheir.config.fit import FitConfig, SnapshotConfig
from modelheir.methods.subspace.names import IN_PLANE, tried
from modelheir.models import blends
from modelheir.objective import adversarial
from modelheir.objective.supervised import make_supervised
from modelheir.plans import Stage, Task
from modelheir.subspace.basis import FILE
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.methods.given import Given
    from modelheir.methods.subspace.config import Config
    from modelheir.models import Classifier
    from modelheir.subspace import Basis, Trajectory
    from modelheir.types import Batch, Snapshot, StageResult, Step

__all__ = ["COMPONENTS", "HELD_OUT", "Build", "Done", "need_enough", "taken"]

Done = Mapping[str, "StageResult"]

COMPONENTS = 32  #: directions where nothing is said, or as many as the snapshots have
HELD_OUT = "held_out"  #: the split on which weights of snapshots are trained alone
_ATTACK = 10  #: steps of the attack under which networks are compared
_LATEST = 0.6  #: share of the snapshots where nothing is said


class Build:
    """One seed's pieces.

    Args:
        config: The method's settings.
        given: Data and settings of the run, with the seeds of this member.
        kept: Results so far to the stage that left the snapshots.
        suffix: Of every stage's name.
    """

    def __init__(self, config: Config, given: Given, kept: Callable[[Done], StageResult], suffix: str) -> None:
        self.config, self.given, self.suffix = config, given, suffix
        self._kept = kept
        self._bases: dict[str, Basis] = {}

    def stage(self, name: str, prepare: Callable[[Done], Task | None]) -> Stage:
        """Return a stage of this seed."""
        return Stage(f"{name}{self.suffix}", prepare)

    def network(self) -> Classifier:
        """Return the network that the snapshots are of; its weights are to be loaded."""
        if self.config.start:
            return models.thawed_copy(self.given.models["start"].one("--from"))
        return self.given.model.build()

    def snapshots(self, done: Done) -> list[Snapshot]:
        """Return those that are used, in order.

        Raises:
            InputError: If there are fewer than two.
        """
        every = list(self._kept(done).snapshots())
        found = taken(every, self.config.snapshots)
        where = f"--from {self.config.start} has" if self.config.start else "the training left"
        need_enough(self.config, len(every), len(found), where)
        return found

    def state(self, done: Done, number: int) -> dict[str, Tensor]:
        """Return the weights and buffers of one of the snapshots used, in float32; -1 is the last.

        What a snapshot leaves out, where it holds the weights that moved alone, is as the training left it.
        """
        left = self._kept(done)
        found = self.snapshots(done)[number].weights(left.publish)
        return _float32({**left.weights(left.publish), **found})

    def loaded(self, state: Mapping[str, Tensor]) -> Classifier:
        """Return the network with these weights."""
        model = self.network()
        model.load_state_dict(dict(state))
        return model

    def averaged(self, state: Mapping[str, Tensor]) -> Classifier:
        """Return the network with an average's weights, and the batch-norm statistics that belong to them."""
        model = self.loaded(state)
        return self.recalibrated(model) if self.config.recalibrate else model

    def recalibrated(self, model: Classifier) -> Classifier:
        """Estimate batch-norm statistics anew; edits and returns the network.

        Every process reads all training images in one mixed order, so that all arrive at the same statistics. They are
        varied as in training: what a network has learnt by heart looks other to it than new images do.
        """
        views = self.given.data.stream(rank=0, world=1)
        blends.recalibrate(model.to(self.given.data.runtime.device), views.epoch(0))
        return model

    def begin(self, done: Done) -> Classifier:
        """Return the network where training in the plane begins."""
        where = self.config.begin
        if where == "mean":
            return self.averaged(self.mean(done))
        return self.loaded(self.state(done, 0 if where == "first" else -1))

    def mean(self, done: Done) -> dict[str, Tensor]:
        """Return the mean of the snapshots used."""
        return blends.average_states(self.state(done, number) for number in range(len(self.snapshots(done))))

    def trajectory(self, done: Done, *, part: slice = slice(None)) -> Trajectory:
        """Return the snapshots, or a part of those used, as rows of the parameters that were trained."""
        return subspace.Trajectory([one.path for one in self.snapshots(done)[part]], module=self._kept(done).publish)

    def basis(
        self,
        kind: str,
        done: Done,
        make: Callable[[Trajectory, Path], Basis],
        *,
        drawn: bool = False,
        part: slice = slice(None),
    ) -> Basis:
        """Return a basis, made once by the main process and kept beside the result of the first way.

        Args:
            kind: Name of its folder.
            done: Results so far.
            make: Snapshots and a folder to the basis that is written there.
            drawn: Whether it is drawn, and so of no snapshots.
            part: Of the snapshots used.
        """
        if kind not in self._bases:
            place, runtime = self.folder(done) / kind, self.given.data.runtime
            rows = self.trajectory(done, part=part)

            def keep() -> None:
                if not (place / FILE).is_file():
                    make(rows, place)

            runtime.by_main(keep)
            self._bases[kind] = subspace.Basis.load(place, fingerprint=None if drawn else rows.fingerprint)
        return self._bases[kind]

    def folder(self, done: Done) -> Path:
        """Where bases are kept: the folder of this seed's last snapshot as it is."""
        return done[f"cut{self.suffix}"].folder

    def task(self, model: Classifier, *, describe: Mapping[str, Any] | None = None) -> Task:
        """Return a task that trains nothing: the network is kept and evaluated as it is."""
        about, measure = {"model": model.spec, **(describe or {})}, functools.partial(self.measured, model)
        return Task({"model": model}, {}, evaluate=self.given.data.evaluation(), describe=about, measure=measure)

    def loss(self, model: Classifier) -> Callable[[Mapping[str, Batch], Step], LossTerms]:
        """Return the loss of a network against labels, of attacked images where ``method.adversarial`` says so."""
        terms = adversarial.make_adversarial(self.config.adversarial, make_supervised(self.config.supervised))
        return lambda batches, step: LossTerms(terms(model, batches["train"], step))

    def measured(self, model: Classifier) -> dict[str, float]:
        """Return how often a network is right on attacked selection images, where it is trained against attacks."""
        config, data = self.config.adversarial, self.given.data
        if config.loss == "none":
            return {}
        stream = data.stream("val", train=False)
        return {
            "robust": adversarial.robust_accuracy(model, stream, data.runtime, epsilon=config.epsilon, steps=_ATTACK)
        }

    def fit(self, **changes: Any) -> FitConfig:
        """Return the settings of a stage after the snapshots: the run's, without snapshots, for ``method.epochs``."""
        plain = {"lr_multipliers": (), "layer_decay": 1.0, "head_multiplier": 1.0, "no_decay": (), "ema_decay": 0.0}
        changes = {"epochs": self.config.epochs, "snapshots": SnapshotConfig(), **changes}
        return dataclasses.replace(self.given.fit, **plain, **changes)


def need_enough(config: Config, count: int, used: int, where: str) -> None:
    """Refuse fewer snapshots than the ways need.

    Args:
        config: Settings of the method.
        count: How many there are.
        used: How many of them are used.
        where: What there are so many of, for the message.
    """
    groups = config.twa.groups if "twa" in tried(config.ways) else 1
    asked = config.components if set(tried(config.ways)) & IN_PLANE else 0
    if asked >= max(used, 2):
        raise InputError(
            f"method.components = {asked:g}: {used} snapshots have {used - 1} directions about their mean. Take fewer "
            "components, or more snapshots."
        )
    if used < 2 * groups:
        some = f"{2 * groups} at least are needed" + (f" (two for each of method.twa.groups = {groups})" * (groups > 1))
        raise InputError(
            f"{where} {count} snapshots, and method.snapshots = {config.snapshots!r} takes {used} of them: {some}. "
            "Train with --fit.snapshots.every_epochs 1, or take more."
        )


def taken(every: Sequence[Any], which: str) -> list[Any]:
    """Return the snapshots of a range; of none said, the latest 60 %, at least two."""
    if which:
        return list(every[subspace.read_range(which)])
    return list(every[-max(2, round(_LATEST * len(every))) :])


def _float32(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
