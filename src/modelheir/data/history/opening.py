"""From what a person writes to a history: a file that describes one, or data with a column that says when."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelheir import checks
from modelheir.address import parse_data
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping, read_yaml, to_mapping
from modelheir.data.carving import carve, keep_classes, training_part
from modelheir.data.history.dated import TimeConfig, cut_by_time, from_sets
from modelheir.data.history.history import History
from modelheir.data.history.portraits import compat_portraits
from modelheir.data.history.sequence import MODES, SequenceConfig, make_sequence
from modelheir.data.images import ImageSet, join_sets
from modelheir.data.sources.table import open_source
from modelheir.data.verify import verified

__all__ = ["open_history"]

_COLUMNS = {"digits": "writer", "portraits": "decade"}  #: of sources whose time is not called "time"
_OVERRIDES = ("mode", "seed")


def open_history(
    spec: str | Sequence[str] | Mapping[str, Any], config: InputConfig, *, time: TimeConfig | None = None
) -> History:
    """Open a history.

    Args:
        spec: One of: several data sets, oldest first; ``sequence:FILE.yaml``, whose settings ``mode`` and ``seed`` can
            follow (``sequence:FILE.yaml,seed=3``), or what such a file holds; ``portraits:DIR``, which ``mode=compat``
            can follow; a data set whose images have a column that says when (``digits`` are cut by writer).
        config: Settings of reading; ``train_classes``, ``train_fraction``, ``train_per_class`` and ``label_noise``, of
            every step; and ``split_seed`` and ``keep_together`` where splits are carved out. ``test_fraction`` counts
            for shifts of data that have no test split.
        time: How images are cut into steps and splits; ``None`` takes a step a value of the column.

    Raises:
        InputError: If it cannot be opened, or has one step; or ``time`` is given for a file, which says it.
    """
    history = _whole(spec, config, time)
    steps = [{**step, "train": training_part(step["train"], config)} for step in history.steps]
    return dataclasses.replace(history, steps=tuple(steps))


def _whole(spec: str | Sequence[str] | Mapping[str, Any], config: InputConfig, time: TimeConfig | None) -> History:
    if isinstance(spec, Mapping):
        return _described(dict(spec), "sequence", config)
    if not isinstance(spec, str):
        return _from_list(spec, config, time or TimeConfig(), ", ".join(spec))
    found = parse_data(spec)
    if found.kind == "sequence":
        if time is not None:
            raise InputError(f"{spec}: the file says how images are cut into steps, and settings of time do too.")
        return _from_file(found.place, found.options, config)
    options = dict(found.options)
    mode = options.pop("mode", "fixed") if found.kind == "portraits" else "fixed"
    checks.one_of(MODES, mode=mode)
    plain = ",".join([f"{found.kind}:{found.place}", *(f"{key}={value}" for key, value in options.items())])
    if mode == "compat":
        if time is not None:
            raise InputError(f"{spec} has its own steps and splits, and settings of time say others.")
        return compat_portraits(_opened(plain, config)["train"], name=spec)
    return _cut(plain if found.kind == "portraits" else spec, config, time or _usual(found.kind))


def _usual(kind: str) -> TimeConfig:
    return TimeConfig(column=_COLUMNS.get(kind, "time"))


def _from_list(specs: Sequence[str], config: InputConfig, time: TimeConfig, name: str) -> History:
    if len(specs) < 2:
        raise InputError(f"{name or 'data'}: a history of data sets needs two or more, oldest first.")
    for key in ("column", "steps", "cuts"):
        if getattr(time, key) != getattr(TimeConfig(), key):
            raise InputError(f"{name}: {key} cuts one data set into steps, and here each data set is a step.")
    return from_sets(
        [_opened(spec, config) for spec in specs], time, names=list(specs), name=name, seed=config.split_seed,
        keep_together=config.keep_together,
    )  # fmt: skip


def _cut(spec: str, config: InputConfig, time: TimeConfig) -> History:
    return cut_by_time(
        _opened(spec, config), time, name=spec, seed=config.split_seed, keep_together=config.keep_together
    )


def _from_file(place: str, options: Mapping[str, str], config: InputConfig) -> History:
    if not place:
        raise InputError("sequence: names no file: write sequence:FILE.yaml.")
    if not Path(place).is_file():
        raise InputError(f"sequence:{place}: there is no such file; docs/sequences.md says what it holds.")
    given: dict[str, Any] = dict(read_yaml(place))
    for key, value in options.items():
        if key not in _OVERRIDES:
            raise checks.unknown("option of sequence", key, _OVERRIDES)
        given[key] = int(value) if value.isdecimal() else value
    return _described(given, place, config)


def _described(given: dict[str, Any], place: str, config: InputConfig) -> History:
    """Open what a file of settings describes; ``place`` is what messages call it."""
    data = given.pop("data", None)
    specs = data if isinstance(data, list) else [data]
    if not specs or not all(isinstance(one, str) and one for one in specs):
        raise InputError(f"{place}: data must name a data set, or be a list of such, oldest first.")
    if "shifts" not in given and isinstance(data, list):
        return _from_list(specs, config, from_mapping(TimeConfig, given, source=place), place)
    if "shifts" not in given:
        usual = to_mapping(_usual(parse_data(specs[0]).kind))
        return _cut(specs[0], config, from_mapping(TimeConfig, usual | given, source=place))
    if isinstance(data, list):
        raise InputError(f"{place}: shifts change images of one data set, and data is a list.")
    if "sizes" not in given:
        raise InputError(f"{place}: sizes are missing: how many images each step has, the source first.")
    settings = from_mapping(SequenceConfig, given, source=place)
    train, test = _pair(specs[0], config)
    return make_sequence(train, test, settings, name=f"sequence:{place}")


def _pair(spec: str, config: InputConfig) -> tuple[ImageSet, ImageSet]:
    """Open a data set as images to train on, with those of a given val split, and images to test on."""
    found = _opened(spec, config)
    train = join_sets([found[name] for name in ("train", "val") if name in found], name=f"{spec} (train)")
    if "test" in found:
        return train, found["test"]
    return carve(train, config.test_fraction, seed=config.split_seed, name="test", keep_together=config.keep_together)


def _opened(spec: str, config: InputConfig) -> dict[str, ImageSet]:
    found = {name: images for name, images in open_source(spec, config).items() if name != "unlabelled"}
    if "train" not in found:
        raise InputError(f"{spec}: there is no training split, only {', '.join(found) or 'unlabelled images'}.")
    if config.train_classes:
        found = {name: keep_classes(images, config.train_classes) for name, images in found.items()}
    return {name: verified(images, config) for name, images in found.items()}
