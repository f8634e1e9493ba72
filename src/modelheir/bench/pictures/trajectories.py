"""The way of the weights over a run's snapshots: explained variance, first two components, and the loss around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modelheir import inference, models
from modelheir.bench.pictures.folder import PictureFolder, file_name
from modelheir.bench.pictures.members import NothingToDraw
from modelheir.bench.pictures.settings import PlotConfig
from modelheir.bench.pictures.sheets import Picture
from modelheir.checks import InputError, unknown
from modelheir.config.keywords import read_keywords
from modelheir.config.mapping import read_yaml
from modelheir.data import open_splits
from modelheir.inference.surface import surface
from modelheir.methods import METHODS
from modelheir.methods.given import Data
from modelheir.report import subspace as shown
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.snapshots import trained_names
from modelheir.runs.stage import StageFolder
from modelheir.subspace import Basis, Layout, Trajectory, grid_around, pca, select_range, told
from modelheir.types import Progress

__all__ = ["Course", "courses", "pictures_of"]

_ENDINGS = ("_variance", "_path", "_surface")
_KEPT, _BASIS = "subspace", "principal"  #: what ``train subspace`` writes into its result, and beside its first way


class Course(NamedTuple):
    """Snapshots of one stage, or what a run keeps of them."""

    run: RunFolder
    stage: StageFolder
    name: str  #: of its pictures

    @property
    def files(self) -> list[str]:
        """The pictures that it may have."""
        return [self.name + ending for ending in _ENDINGS]


def courses(runs: Sequence[str], config: PlotConfig) -> list[Course]:
    """Return the stages of runs that kept snapshots.

    Args:
        runs: Run folders, finished or not.
        config: Says which stage, where not all.

    Raises:
        InputError: If a run has none, or no such stage.
    """
    found: list[Course] = []
    for text in runs:
        run = RunFolder(Path(text.removeprefix("run:")))
        if not run.config.is_file():
            raise InputError(f"{run.path} is no run folder: it has no config.yaml.")
        stages = [one for one in run.stages() if len(one.snapshots()) > 1]
        if config.stage:
            named = [one for one in stages if one.name == config.stage]
            if not named:
                raise unknown("--stage with snapshots", config.stage, [one.name for one in stages])
            stages = named
        if not stages and not config.stage and _KEPT in (read_json(run.result) if run.result.is_file() else {}):
            stages = [one for one in run.stages() if (one.path / _BASIS).is_dir()][:1]  # of another run's snapshots
        if not stages:
            raise InputError(
                f"{run.path} kept no snapshots of its weights: train with --snapshots.every 1, or another of "
                "--fit.snapshots."
            )
        found += [Course(run, one, file_name("trajectory", run.path.resolve().name, one.name)) for one in stages]
    return found


def pictures_of(
    course: Course, config: PlotConfig, folder: PictureFolder, progress: Progress, notes: list[str]
) -> list[Path]:
    """Draw the pictures of one stage; return where they are, and add to ``notes`` what was left out.

    Raises:
        InputError: If its snapshots are damaged or all equal.
    """
    block = _found(course, config, progress, notes)
    return [
        folder.write(course.name + one.ending, one.drawn, one.rows, one.columns)
        for one in (Picture(drawn, rows, columns, ending) for drawn, rows, columns, ending in shown.pictures(block))
    ]


def _kept(course: Course) -> dict[str, Any]:
    """Return what the run itself says of its plane; nothing of a run that is about something else."""
    return read_json(course.run.result).get(_KEPT, {}) if course.run.result.is_file() else {}


def _found(course: Course, config: PlotConfig, progress: Progress, notes: list[str]) -> dict[str, Any]:
    basis, block = _of_snapshots(course, config) if course.stage.snapshots() else _of_basis(course, config)
    if not config.grid or len(basis) < 2:
        return block
    places = np.array([[x, y] for x, y, *_ in block["path"]] + [one["points"][-1] for one in block["ways"].values()])
    x, y = grid_around(places, count=config.grid)
    try:
        model, data = _opened(course, config)
    except InputError as error:
        notes.append(f"{course.stage.name} without the loss around it: {error}")
        return block
    progress.stage(f"{course.name}: {config.quantity}", config.grid**2)
    stream = data.stream("val", train=False)
    block["surface"] = surface(
        model, basis, stream, data.runtime, x=x, y=y, quantity=config.quantity, advance=progress.advance,
        batches=lambda: data.stream("train").epoch(0),
    ) | {"split": "val"}  # fmt: skip
    return block


def _of_snapshots(course: Course, config: PlotConfig) -> tuple[Basis, dict[str, Any]]:
    taken, held = course.stage.snapshots(), _kept(course)
    if config.snapshots:
        taken = select_range(taken, config.snapshots)
    elif held:
        used = {step for _, _, step in held["path"]}
        taken = [(step, path) for step, path in taken if step in used]
    rows = Trajectory([path for _, path in taken], module=_module(course.stage))
    basis = pca(rows, len(rows) - 1, truncate=True)
    ways = {name: [_weights(course.run.stage_named(name), basis.layout)] for name in held.get("ways", {})}
    block = told(basis, rows, [step for step, _ in taken], ways)
    return basis, _valued(block, held, config)


def _of_basis(course: Course, config: PlotConfig) -> tuple[Basis, dict[str, Any]]:
    """Return the basis that a run keeps, and what it says of another run's snapshots."""
    if config.snapshots:
        raise InputError(f"{course.run.path} has no snapshots of its own to choose from: leave --snapshots out.")
    held = _kept(course)
    block = {**held, "ways": {name: dict(way) for name, way in held["ways"].items()}}
    return Basis.load(course.stage.path / _BASIS), _valued(block, held, config)


def _valued(block: dict[str, Any], held: Mapping[str, Any], config: PlotConfig) -> dict[str, Any]:
    """Give the ways the losses that a run keeps; of accuracies it keeps none."""
    for name, way in block["ways"].items():
        way["value"] = held["ways"][name].get("value") if config.quantity == "loss" else None
    return block


def _weights(stage: StageFolder, layout: Layout) -> np.ndarray:
    result = stage.result()
    return layout.join({key: value.numpy() for key, value in result.weights(result.publish).items()})


def _opened(course: Course, config: PlotConfig) -> tuple[Any, Data]:
    """Return the model of a stage and the images of its run, at most ``config.images`` of a split."""
    model = models.load(f"run:{course.run.path}#{course.stage.name}")
    name = str(read_yaml(course.run.config).get("train"))
    if name not in METHODS:
        raise InputError(f"{course.run.path} is a run of train {name}, which this version does not know")
    run, _ = read_keywords(name, METHODS[name].config, {}, usual={}, file=course.run.config)
    splits = open_splits(config.data or run.data, run.inputs)
    if "val" not in splits or "train" not in splits:
        raise NothingToDraw("the data have no selection images")
    some = {key: images.subset(_spread(len(images), config.images)) for key, images in splits.items()}
    return model, Data(some, run.inputs, max(run.fit.batch_size, 1), run.seed, inference.Runtime(config.device))


def _spread(count: int, most: int) -> np.ndarray:
    """Return the numbers of at most ``most`` images, evenly over all; all where that is 0.

    >>> _spread(10, 4).tolist(), _spread(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if not most or count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.int64)


def _module(stage: StageFolder) -> str:
    """Return the module that is the stage's model; where there is none, or it is not finished, the first."""
    if stage.finished and (publish := stage.result().publish):
        return publish
    names = trained_names(stage.snapshots()[0][1])
    return names[0].partition("/")[0] if names else "model"
