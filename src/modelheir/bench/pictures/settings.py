"""What pictures there are, and their settings; without torch."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, InputError, OneOf, one_of
from modelheir.config.inputs import InputConfig
from modelheir.config.run import check_device

__all__ = ["KINDS", "PlotConfig", "ShiftsConfig", "accept"]

#: kind -> what it shows, and the settings that it reads beside out, device and quiet
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "interpolation": (
        "accuracy between a strategy's model before it saw the newest step and its last one",
        ("strategies", "data", "mode", "points"),
    ),
    "projection": (
        "where weights stand between the oracle, the network of the past and that of the newest step alone",
        ("strategies", "oracle", "seed"),
    ),
    "svcca": (
        "how alike layers represent the newest reporting images as the oracle's do",
        ("strategies", "oracle", "seed", "data", "mode"),
    ),
    "change": ("how far each layer moves from step to step", ("strategies", "seed")),
    "penalty": ("what strengths of the penalty between steps, and efficient_decays, do to joint models", ()),
    "trajectory": (
        "of any run with snapshots: their explained variance, the way of the weights, and the loss around it",
        ("stage", "snapshots", "grid", "quantity", "images", "data"),
    ),
    "examples": ("images of each step, class by class", ("data", "time", "steps", "show", "classes", "per_class")),
}

_ADAPT = "a run folder of train adapt, a folder of bench run"
_RUNS = {"trajectory": "a run folder with snapshots"}  #: what a kind reads, where it is not that


@dataclasses.dataclass(frozen=True)
class PlotConfig:
    """Settings of ``plot``."""

    out: str = ""  #: folder of the pictures; empty is pictures in the folder of the first RUN
    strategies: tuple[str, ...] = ()  #: which, in this order; none: all that have such a picture
    oracle: str = ""  #: projection, svcca: a run that had plenty of the newest step and tried erm_final; of a benchmark
    #: the name of that sequence
    seed: Annotated[int, AtLeast(0)] = 0  #: projection, svcca, change: which of the trainings of a cell, from 0
    mode: Annotated[str, OneOf("fixed", "compat")] = "fixed"  #: interpolation, svcca: compat is as the older code did
    points: Annotated[int, AtLeast(2)] = 101  #: interpolation: models on each line
    data: str = ""  #: images, where they are no longer where the run read them; of examples without RUN: what to show
    time: str = "time"  #: examples without RUN, show = own: column of --data that says when an image was taken
    steps: Annotated[int, AtLeast(0)] = (
        0  #: examples without RUN, show = own: parts of the time, as train adapt has them
    )
    show: Annotated[str, OneOf("own", "same", "finer")] = "own"  #: examples without RUN: each step's own images; of a
    #: sequence of shifts the same images of its source, as every step changes them; or a row a class with its finer
    #: classes in the order of subpop
    classes: tuple[str, ...] = ()  #: examples: which, in this order; none: the first ten
    per_class: Annotated[int, AtLeast(1)] = 1  #: examples: images of each class in a step
    stage: str = ""  #: trajectory: which stage of the run; empty: each that kept snapshots
    snapshots: str = ""  #: trajectory: which of them, start:stop:step, such as 10:60:2; empty: all
    grid: Annotated[int, AtLeast(0)] = 15  #: trajectory: models along each side of the plane; 0 leaves the loss out
    quantity: Annotated[str, OneOf("loss", "accuracy")] = "loss"  #: trajectory: what is drawn over the plane
    images: Annotated[int, AtLeast(0)] = (
        500  #: trajectory: selection images of each model of the plane, and training images of its batch statistics; 0
        #: takes all
    )
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    quiet: bool = False  #: show no progress

    def __post_init__(self) -> None:
        check_device(self.device)


def accept(kind: str, config: PlotConfig, runs: int) -> None:
    """Refuse a kind that is none, settings that it does not read, and a lack of runs.

    Args:
        kind: What is drawn.
        config: Settings.
        runs: How many runs are named.
    """
    if kind not in KINDS:
        one_of(KINDS, kind=kind)
    read = {*KINDS[kind][1], "out", "device", "quiet"} - ({"time", "steps", "show"} if runs else set())
    read -= {"time", "steps"} if config.show != "own" else set()
    for field in dataclasses.fields(PlotConfig):
        if field.name not in read and getattr(config, field.name) != field.default:
            readers = ", ".join(name for name, (_, own) in KINDS.items() if field.name in own and name != kind)
            alone = " of examples without RUN" + ("" if field.name == "show" else " with --show own")
            other = f" of plot {readers}" if readers else alone
            raise InputError(f"plot {kind} reads no --{field.name}: it is a setting{other}; leave it out.")
    if kind == "trajectory" and config.grid == 1:
        raise InputError("--grid 1: a plane has at least two models along a side; 0 leaves the loss out.")
    if not config.grid and (config.quantity, config.images) != (PlotConfig.quantity, PlotConfig.images):
        raise InputError(
            "--grid 0 leaves the loss out, so that --quantity and --images have no effect: leave them out."
        )
    if not runs and not (kind == "examples" and config.data):
        more = ", or --data" if kind == "examples" else ""
        raise InputError(f"plot {kind} needs a RUN: {_RUNS.get(kind, _ADAPT)}{more}.")
    if kind in ("projection", "svcca") and not config.oracle:
        raise InputError(
            f"plot {kind} needs --oracle: a run with plenty of the newest step that tried erm_final, or, of a folder "
            "of bench run, the name of such a sequence."
        )


@dataclasses.dataclass(frozen=True)
class ShiftsConfig:
    """Settings of ``bench shifts``."""

    data: str = ""  #: sequence:FILE, or data with a column that says when an image was taken
    suite: str = ""  #: in place of data: quick, or a YAML file as bench run takes it; all its sequences
    time: str = "time"  #: of data: the column
    steps: Annotated[int, AtLeast(0)] = 0  #: of data: parts of the time, as train adapt has them
    out: str = "shifts"  #: folder of the pictures and their numbers
    seed: Annotated[int, AtLeast(0)] = 0  #: which images make the two halves that shifts are compared with
    quiet: bool = False  #: show no progress
    inputs: InputConfig = dataclasses.field(default_factory=InputConfig)  #: how images are read

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        return {"time": f"suite = {self.suite!r}", "steps": f"suite = {self.suite!r}"} if self.suite else {}

    def check(self) -> None:
        """Require one of data and suite.

        Raises:
            InputError: If there are both, or none.
        """
        if bool(self.data) == bool(self.suite):
            raise InputError(
                "bench shifts needs one of --data, such as sequence:drift.yaml, and --suite, such as quick."
            )
