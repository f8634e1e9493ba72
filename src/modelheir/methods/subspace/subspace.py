r"""A pile of snapshots of one training: averages of them, and training on in the few directions along which they moved.

.. math:: \min_{z \in \mathbb{R}^n} L(w_{begin} + P^\top z), \qquad P = \text{first } n \text{ principal directions}

Li et al., "Low Dimensional Trajectory Hypothesis is True: DNNs Can Be Trained in Tiny Subspaces", 2021,
arXiv:2103.11154; Li et al., "Trainable Weight Averaging", 2022, arXiv:2205.13104; Izmailov et al., "Averaging Weights
Leads to Wider Optima and Better Generalization", 2018, arXiv:1803.05407. The ways are compared with each other and with
what is simpler from the same snapshots, at a cost that is told; the selection images choose.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.config.fit import SnapshotConfig
from modelheir.data.carving import carve
from modelheir.methods.declared import ModelUse
from modelheir.methods.method import Method
from modelheir.methods.subspace.build import HELD_OUT, Build, need_enough, taken
from modelheir.methods.subspace.choice import choice
from modelheir.methods.subspace.config import Config
from modelheir.methods.subspace.continued import collect
from modelheir.methods.subspace.names import tried
from modelheir.methods.subspace.planes import twa
from modelheir.methods.subspace.ways import WAYS
from modelheir.objective.supervised import accept_supervised
from modelheir.runs.folder import RunFolder
from modelheir.subspace.trajectory import read_range

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.methods.subspace.build import Done
    from modelheir.plans import Stage, Task
    from modelheir.types import StageResult

__all__ = ["METHOD", "Config", "accept", "plan", "settle"]


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other."""
    accept_supervised(config.supervised, run.inputs)
    if config.snapshots:
        read_range(config.snapshots)
    if config.components >= 1 and config.components != int(config.components):
        raise InputError(
            f"method.components = {config.components}: a whole number of directions, or a share of variance below 1."
        )
    if config.bits > 8 and config.bits not in (16, 32):
        raise InputError(f"method.bits = {config.bits}: must be 32, 16, or 8 and fewer.")
    if config.start and config.twa.held_out:
        raise InputError(
            f"method.twa.held_out = {config.twa.held_out}: what --from was trained on is not held out; leave it out."
        )
    if config.ema_decay == 1:
        raise InputError("method.ema_decay = 1.0: no snapshot after the first would count; give less than 1.")
    kept = run.fit.snapshots
    if not config.start and not kept.on:
        raise InputError("fit.snapshots is off, and there is no --from: set fit.snapshots.every_epochs to 1.")
    if not config.start and not (kept.every_steps or kept.per_epoch):  # known before the training that leaves them
        last = run.fit.epochs
        ends = {epoch for epoch in range(kept.start_epoch, last + 1) if epoch % kept.every_epochs == 0} | {last}
        count = min(len(ends), kept.keep or len(ends))
        need_enough(config, count, len(taken(range(count), config.snapshots)), "the training leaves")
    if config.start:
        if parse_address(config.start).kind != "run":
            raise InputError(f"--from {config.start}: snapshots are kept in a run folder; give run:DIR.")
        usual = dataclasses.replace(run.fit, epochs=20, schedule="constant", snapshots=SnapshotConfig(every_epochs=1))
        for key in ("epochs", "schedule", "snapshots"):
            if getattr(run.fit, key) != getattr(usual, key):
                raise InputError(
                    f"fit.{key} is of the training that leaves snapshots, and with --from there is none: leave it out"
                    f"{' (method.epochs is how long each way trains)' if key == 'epochs' else ''}."
                )
        if run.trainable != "all":
            raise InputError(
                f"--trainable {run.trainable}: what moves is what the snapshots of --from moved; leave it out."
            )
        if config.seeds > 1:
            raise InputError("method.seeds trains a network a seed, and --from has one: leave one of the two out.")
        if "full" in tried(config.ways):
            raise InputError("the way full is as long as the training of the snapshots, which --from does not tell.")


def settle(config: Config, run: TrainConfig) -> Config:
    """Return the settings with the rates of ways in the plane said."""
    usual = run.fit.lr if run.fit.optimizer == "sgd" else 0.1
    twa_rate = usual if config.twa.optimizer == "sgd" else 0.001
    return dataclasses.replace(
        config,
        psgd=dataclasses.replace(config.psgd, lr=config.psgd.lr or usual),
        twa=dataclasses.replace(config.twa, lr=config.twa.lr or twa_rate),
    )


def plan(config: Config, given: Given) -> list[Stage]:
    """The training that leaves snapshots, unless there are some; every way, seed by seed; and the choice among them."""
    stages: list[Stage] = []
    builds: list[Build] = []
    names = tried(config.ways)
    for number in range(config.seeds):
        member, suffix = _held_out(config, given.member(number)), f"_seed{number}" if config.seeds > 1 else ""
        if config.start:
            kept = functools.partial(_kept_by, config.start)
        else:
            kept = functools.partial(_of_stage, f"collect{suffix}")
        build = Build(config, member, kept, suffix)
        if not config.start:
            stages.append(build.stage("collect", functools.partial(collect, build)))
        else:
            build.network()  # refused before anything is trained, as are snapshots that are missing or cut short
            if len(set(build.trajectory({}).digests)) == 1:
                raise InputError(f"the snapshots of --from {config.start} are identical: that training moved nothing.")
        builds.append(build)
        every = ("cut", *(name for name in names if name != "cut"))  # bases are kept where the first of them is
        stages += [build.stage(*part) for name in every for part in _parts(build, name)]
    return [*stages, choice(builds, names)]


def _parts(build: Build, name: str) -> Iterator[tuple[str, Callable[[Done], Task]]]:
    """Yield the stages of a way, of which the last is the way's."""
    groups = build.config.twa.groups if name == "twa" else 1
    for number in range(1, groups):
        yield f"twa_{number}", functools.partial(twa, build, group=number)
    yield name, functools.partial(WAYS[name].prepare, build)


def _held_out(config: Config, given: Given) -> Given:
    """Return the data with some of the training images set aside as a split of their own."""
    share = config.twa.held_out if "twa" in tried(config.ways) else 0.0
    if not share:
        return given
    train, part = carve(given.data.splits["train"], share, seed=given.data.inputs.split_seed, name=HELD_OUT)
    data = dataclasses.replace(given.data, splits={**given.data.splits, "train": train, HELD_OUT: part})
    return dataclasses.replace(given, data=data)


def _of_stage(name: str, done: Mapping[str, StageResult]) -> StageResult:
    return done[name]


def _kept_by(start: str, done: Mapping[str, StageResult]) -> StageResult:
    """Return the stage of a run that is named, else the last that left snapshots, else the last.

    Raises:
        InputError: If there is no such stage.
    """
    address = parse_address(start)
    folder = RunFolder(address.path)
    if address.stage:
        return folder.stage_named(address.stage).result()
    finished = [one for one in folder.stages() if one.finished]
    if not finished:
        raise InputError(f"--from {start}: no stage is finished there; let that run end first.")
    return next((one for one in reversed(finished) if one.snapshots()), finished[-1]).result()


METHOD = Method(
    name="subspace",
    summary="a pile of snapshots of one training: average them, or train on in the plane that they span",
    situation="a training that was cut short, or snapshots kept along one, and no budget to train it again",
    not_for="independent trainings: averages of those are bad (elodi learns from their outputs)",
    config=Config,
    plan=plan,
    accept=accept,
    settle=settle,
    start=lambda config, old: config.start,
    models=lambda config: {"start": ModelUse((config.start,), classes="same", flag="--from")},
    defaults={"fit.schedule": "constant", "fit.epochs": 20, "fit.snapshots.every_epochs": 1},
    flags={"from": "method.start", "ways": "method.ways"},
    paper="Li et al., Low Dimensional Trajectory Hypothesis is True, 2021, arXiv:2103.11154",
)
