"""How large the shifts of sequences are: a table, a picture and its numbers a sequence."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modelheir.bench.pictures.folder import PictureFolder, file_name
from modelheir.bench.pictures.settings import ShiftsConfig
from modelheir.bench.pictures.worlds import open_dated
from modelheir.bench.running import FIRST_SEED
from modelheir.bench.suite import METHOD, read_suite
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping, to_mapping
from modelheir.data import History, ImageSet, make_stream, open_history, resolve
from modelheir.engine.progress import make_progress
from modelheir.methods import METHODS
from modelheir.metrics.geometry.shifts import Shift, ShiftSizes, shift_sizes
from modelheir.report.figures.sheet import sheet
from modelheir.report.figures.shift_dots import shift_dots

__all__ = ["COLUMNS", "Measured", "measure_shifts"]

COLUMNS = ("sequence", "transition", "over", "covariate", "conditional", "covariate_ratio", "conditional_ratio")
_HALVES, _LAST = "two halves of the first step", "the newest step to test"
_LEVELS = 255  #: pixels are measured as they are stored


class Measured(NamedTuple):
    """The shifts of one sequence."""

    sequence: str
    rows: list[dict[str, Any]]  #: keys :data:`COLUMNS`; a ratio that is not defined is NaN
    picture: Path


def measure_shifts(config: ShiftsConfig) -> list[Measured]:
    """Measure the shifts of data over time, or of every sequence of a suite, and draw them.

    Args:
        config: Settings.

    Raises:
        InputError: If the data cannot be opened, are one step, or a picture would be written over another file.
    """
    found = dict(_asked(config))
    folder = PictureFolder(Path(config.out), [config.data] if config.data else [])
    names = {sequence: file_name("shifts", sequence if config.suite else "") for sequence in found}
    folder.accept(list(names.values()))
    made = []
    with make_progress(quiet=config.quiet) as progress:
        for sequence, wanted in found.items():
            progress.stage(f"shifts of {sequence}", 0)
            history = wanted.open()
            sizes = _measured(history, wanted.inputs, config.seed)
            rows = _rows(sequence, history, sizes)
            picture = folder.write(names[sequence], _drawn(rows, sequence), rows, COLUMNS)
            made.append(Measured(sequence, rows, picture))
    return made


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """A sequence to open."""

    data: str | Mapping[str, Any]  #: an address, or what a file of a sequence holds
    inputs: InputConfig
    time: str = "time"
    steps: int = 0

    def open(self) -> History:
        if isinstance(self.data, str):
            return open_dated(self.data, self.inputs, time=self.time, steps=self.steps)
        return open_history(self.data, self.inputs)


def _asked(config: ShiftsConfig) -> Iterator[tuple[str, _Wanted]]:
    """Yield the name of each sequence, and how it is opened."""
    if not config.suite:
        yield config.data, _Wanted(config.data, config.inputs, config.time, config.steps)
        return
    usual = METHODS[METHOD].config()
    for cell in read_suite(config.suite):
        inputs = {key.removeprefix("inputs."): v for key, v in cell.settings.items() if key.startswith("inputs.")}
        own = from_mapping(InputConfig, {**to_mapping(config.inputs), **inputs}, source=config.suite)
        if cell.history is not None:
            yield cell.sequence, _Wanted({**cell.history, "seed": FIRST_SEED}, own)
            continue
        if cell.settings.get("method.history"):
            raise InputError(f"{config.suite}: {cell.sequence} is of several data sets: name them in a sequence file.")
        data = str(cell.settings.get("data", "digits"))
        time, steps = (cell.settings.get(f"method.{key}", getattr(usual, key)) for key in ("time", "steps"))
        yield cell.sequence, _Wanted(data, own, time, steps)


def _measured(history: History, inputs: InputConfig, seed: int) -> ShiftSizes:
    train = [_pixels(step["train"], inputs) for step in history.steps]
    test = _pixels(history.newest["test"], inputs)
    try:
        return shift_sizes(train, test, generator=np.random.default_rng(seed))
    except ValueError as error:
        raise InputError(f"{history.name}: shifts cannot be measured: {error}.") from error


def _pixels(images: ImageSet, inputs: InputConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of images as a network would see them, before normalisation, and their labels."""
    settings = {"batch_size": 256, "train": False, "seed": 0, "device": "cpu", "rank": 0, "world": 1}
    stream = make_stream(images, config=resolve(inputs, images), **settings)
    batches = list(stream.epoch(0))
    values = np.concatenate([batch.inputs.numpy() for batch in batches])
    return values * _LEVELS, np.concatenate([batch.labels.numpy() for batch in batches])


def _rows(sequence: str, history: History, sizes: ShiftSizes) -> list[dict[str, Any]]:
    names = [f"{number} {name}" for number, name in enumerate(history.names)]

    def row(transition: str, over: str, size: Shift, ratio: Shift) -> dict[str, Any]:
        numbers = {"covariate": size.covariate, "conditional": size.conditional}
        ratios = {"covariate_ratio": ratio.covariate, "conditional_ratio": ratio.conditional}
        return {"sequence": sequence, "transition": transition, "over": over, **numbers, **ratios}

    same = Shift(1.0, 1.0)
    pairs = [f"{a} to {b}" for a, b in itertools.pairwise(names)]
    consecutive = zip(pairs, sizes.consecutive, sizes.consecutive_ratios, strict=True)
    to_test = zip(names, sizes.to_test, (*sizes.to_test_ratios, same), strict=True)
    return [
        row(_HALVES, _HALVES, sizes.halves, same),
        *(row(pair, _HALVES, size, ratio) for pair, size, ratio in consecutive),
        *(row(f"{name} to test", _LAST, size, ratio) for name, size, ratio in to_test),
    ]


def _drawn(rows: list[dict[str, Any]], sequence: str) -> Any:
    panels = []
    for title, over in (("From step to step", _HALVES), ("From each step to the newest test images", _LAST)):
        own = [
            (row["transition"], (row["covariate_ratio"], row["conditional_ratio"]))
            for row in rows
            if row["over"] == over
        ]
        shown = own[1:] if over == _HALVES else own[:-1]  # without what the ratios are over
        panels.append((title, shift_dots(shown, name=f"Shift over that of {over}")))
    height = 68 + 36 * sum(row["over"] == _LAST for row in rows[:-1])
    return sheet(panels, height=height, columns=2, label=f"Shifts of {sequence}")
