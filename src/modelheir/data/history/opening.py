"""From what a person writes to a history: a file that describes one, or data with a column that says when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelheir import checks
from modelheir.address import DataAddress, parse_data
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.data.carving import carve
from modelheir.data.history.dated import TimeConfig, cut_by_time, from_sets
from modelheir.data.history.history import History
from modelheir.data.history.portraits import compat_portraits
from modelheir.data.history.sequence import MODES, SequenceConfig, make_sequence
from modelheir.data.images import ImageSet, join_sets
from modelheir.data.sources.portraits import open_portraits
from modelheir.data.sources.table import open_source
from modelheir.data.verify import verified

__all__ = ["open_history"]

_COLUMNS = {"digits": "writer", "portraits": "decade"}  #: of sources whose time is not called "time"
_OVERRIDES = ("mode", "seed")


def open_history(spec: str | Sequence[str], config: InputConfig, *, time: TimeConfig | None = None) -> History:
    """Open a history.

    Args:
        spec: One of: several data sets, oldest first; ``sequence:FILE.yaml``, whose settings ``mode`` and ``seed`` can
            follow (``sequence:FILE.yaml,seed=3``); ``portraits:DIR``, which ``mode=compat`` can follow; a data set
            whose images have a column that says when (``digits`` are cut by writer).
        config: Settings of reading. ``test_fraction`` and ``split_seed`` carve the test split of a sequence out of
            data that have none.
        time: How images are cut into steps and splits; ``None`` takes a step a value of the column. Not read for a
            sequence, whose file says it.

    Raises:
        InputError: If it cannot be opened, or has one step.
    """
    if not isinstance(spec, str):
        return _from_list(spec, config, time or TimeConfig(), ", ".join(spec))
    found = parse_data(spec)
    if found.kind == "sequence":
        return _from_file(found.place, found.options, config)
    if found.kind == "portraits":
        return _portraits(found, config, time)
    return _cut(spec, config, time or TimeConfig(column=_COLUMNS.get(found.kind, "time")), spec)


def _from_list(specs: Sequence[str], config: InputConfig, time: TimeConfig, name: str) -> History:
    if len(specs) < 2:
        raise InputError(f"{name or 'data'}: a history of data sets needs two or more, oldest first.")
    return from_sets([_opened(spec, config) for spec in specs], time, names=list(specs), name=name)


def _cut(spec: str, config: InputConfig, time: TimeConfig, name: str) -> History:
    return cut_by_time(_opened(spec, config), time, name=name)


def _from_file(place: str, options: Mapping[str, str], config: InputConfig) -> History:
    if not place:
        raise InputError("sequence: names no file: write sequence:FILE.yaml.")
    given: dict[str, Any] = dict(read_yaml(place))
    for key, value in options.items():
        if key not in _OVERRIDES:
            raise checks.unknown("option of sequence", key, _OVERRIDES)
        given[key] = int(value) if value.isdecimal() else value
    data = given.pop("data", None)
    specs = data if isinstance(data, list) else [data]
    if not specs or not all(isinstance(one, str) and one for one in specs):
        raise InputError(f"{place}: data must name a data set, or be a list of such, oldest first.")
    name = f"sequence:{place}"
    if "shifts" not in given:
        usual = {} if len(specs) > 1 else {"column": _COLUMNS.get(parse_data(specs[0]).kind, "time")}
        time = from_mapping(TimeConfig, usual | given, source=place)
        return _cut(specs[0], config, time, name) if isinstance(data, str) else _from_list(specs, config, time, name)
    if not isinstance(data, str):
        raise InputError(f"{place}: shifts change images of one data set, and data is a list.")
    if "sizes" not in given:
        raise InputError(f"{place}: sizes are missing: how many images each step has, the source first.")
    settings = from_mapping(SequenceConfig, given, source=place)
    train, test = _pair(data, config)
    return make_sequence(train, test, settings, name=name)


def _portraits(found: DataAddress, config: InputConfig, time: TimeConfig | None) -> History:
    options = dict(found.options)
    mode, name = options.pop("mode", "fixed"), f"portraits:{found.place}"
    checks.one_of(MODES, mode=mode)
    if mode == "compat" and time is not None:
        raise InputError(f"{name}: mode=compat has its own steps and splits.")
    images = verified(open_portraits(found.place, options, config)["train"], config)
    if mode == "compat":
        return compat_portraits(images, name=name)
    return cut_by_time({"train": images}, time or TimeConfig(column=_COLUMNS["portraits"]), name=name)


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
    return {name: verified(images, config) for name, images in found.items()}
