"""What a search tries: settings with the values of each, from a file or from words."""

from __future__ import annotations

import dataclasses
import itertools
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.config.describe import settings
from modelheir.config.mapping import with_settings
from modelheir.config.nearest import nearest_setting
from modelheir.printable import shorten

__all__ = ["STRATEGIES", "Listed", "Range", "SearchConfig", "Space", "read_space", "split_changes", "value_of"]

STRATEGIES = ("tpe", "random", "greedy", "grid", "hyperband")

#: settings that decide which images a result is about, where a run goes or how loudly: the same in every trial
_KEPT = (
    *("data", "old_weights", "classes", "out", "seed", "init_seed", "data_seed", "device", "trackers", "quiet"),
    *("inputs.root", "inputs.download", "inputs.max_bad_share", "inputs.max_megapixels", "inputs.val_fraction"),
    *("inputs.test_fraction", "inputs.keep_together", "inputs.split_seed", "inputs.train_classes"),
    "inputs.label_noise",
)


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Settings of a search itself."""

    space: str = ""  #: YAML file of what is tried: dotted setting -> list of values, {low, high, log} or {pairs}
    trials: Annotated[int | None, AtLeast(1)] = (
        None  #: trainings in all, those of earlier calls counted; none is all of grid and hyperband, else 20
    )
    strategy: Annotated[str, OneOf(*STRATEGIES)] = (
        "tpe"  #: greedy takes one setting after another and keeps the best; grid takes every combination of the lists;
        #: hyperband lengthens the best of many short trainings, up to --epochs; tpe, random and hyperband need the
        #: extra search
    )
    workers: Annotated[int, AtLeast(1)] = 1  #: processes of this machine that try at once; the same command, started
    #: again anywhere with the same folder, is one more


@dataclasses.dataclass(frozen=True)
class Listed:
    """Values to choose from."""

    values: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included."""

    low: float
    high: float
    log: bool = False  #: whether the logarithm is drawn evenly
    whole: bool = False  #: whole numbers only


Space = Mapping[str, Listed | Range]


def read_space(
    given: Mapping[str, Any], config: Any, own: Any, *, shortcuts: Mapping[str, str], source: str = ""
) -> dict[str, Listed | Range]:
    """Read what is to be tried, and try every value on the settings.

    Args:
        given: Dotted setting, or short flag, to a list of values, to a mapping with ``low``, ``high``, ``log``, or, for
            a setting that is a list itself, to a mapping with ``pairs``, whose items it takes two by two.
        config: Settings of the run, which the values change.
        own: The method's settings.
        shortcuts: Short flag -> dotted setting.
        source: The file that ``given`` was read from, for messages.

    Returns:
        Dotted setting to its values, in the order given.

    Raises:
        InputError: If nothing is to be tried, a setting is unknown or the same in all trials, or a value is not
            allowed.

    Example:
        >>> from modelheir.config.run import TrainConfig
        >>> from modelheir.methods.finetune import Config
        >>> given = {"fit.lr": {"low": 1e-3, "high": 0.1, "log": True}, "epochs": [5, 10]}
        >>> read_space(given, TrainConfig(), Config(), shortcuts={"epochs": "fit.epochs"})
        {'fit.lr': Range(low=0.001, high=0.1, log=True, whole=False), 'fit.epochs': Listed(values=(5, 10))}
    """
    at = f"{source}: " if source else ""
    if not given:
        raise InputError(f"{at}there is nothing to try: give --space FILE, or --search.SETTING VALUE VALUE ...")
    known = {one.key: one for start, where in ((config, ""), (own, "method")) for one in settings(type(start), where)}
    found: dict[str, Listed | Range] = {}
    for word, values in _flat(given, known):
        key = shortcuts.get(word, word)
        if key not in known:
            near = nearest_setting(key, known, shortcuts)
            raise InputError(
                f"{at}unknown setting {shorten(word)!r} to try.{f' Did you mean {near!r}?' if near else ''}"
            )
        if key in _KEPT:
            raise InputError(f"{at}{key} is the same in every trial, so that trials can be compared: it is not tried.")
        if key in found:
            raise InputError(f"{at}{key} is given twice.")
        try:
            if isinstance(values, Mapping) and "pairs" not in values:
                found[key] = ends = _range(values, known[key].type)
                _ = _held(config, own, key, ends.low), _held(config, own, key, ends.high)
            else:
                listed = _pairs(values, known[key].type) if isinstance(values, Mapping) else values
                kept = [_held(config, own, key, value) for value in _items(listed)]
                found[key] = Listed(tuple(value for number, value in enumerate(kept) if value not in kept[:number]))
        except InputError as error:
            raise InputError(f"{at}{error}" if key in str(error) else f"{at}{key}: {error}") from None
    return found


def split_changes(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part changes of the run's settings from those of the method's, whose keys lose their ``method.``.

    >>> split_changes({"fit.lr": 0.1, "method.label_weight": 1.0})
    ({'fit.lr': 0.1}, {'label_weight': 1.0})
    """
    own = {key.removeprefix("method."): value for key, value in changes.items() if key.startswith("method.")}
    return {key: value for key, value in changes.items() if not key.startswith("method.")}, own


def value_of(configs: tuple[Any, Any], key: str) -> Any:
    """Return the value of a dotted setting.

    Args:
        configs: The run's settings and the method's.
        key: Of either.
    """
    found = configs[key.startswith("method.")]
    for name in key.removeprefix("method.").split("."):
        found = getattr(found, name)
    return found


def _flat(given: Mapping[str, Any], known: Mapping[str, Any], where: str = "") -> list[tuple[str, Any]]:
    """Return dotted keys with their values; groups may be nested mappings."""
    rows: list[tuple[str, Any]] = []
    for name, value in given.items():
        key = f"{where}{name}"
        group = isinstance(value, Mapping) and any(one.startswith(f"{key}.") for one in known)
        rows += _flat(value, known, f"{key}.") if group else [(key, value)]
    return rows


def _items(values: Any) -> Sequence[Any]:
    items = [values] if isinstance(values, str) or not isinstance(values, Sequence) else values
    if not items:
        raise InputError("the list of values is empty.")
    return items


def _pairs(given: Mapping[str, Any], hint: Any) -> list[list[Any]]:
    """Return all unordered pairs of the items, in their order."""
    items = given["pairs"]
    if len(given) > 1 or not isinstance(items, list | tuple) or len(items) < 2:
        raise InputError(f"{shorten(repr(dict(given)))}: pairs are {{pairs: [A, B, C]}}, of at least two items.")
    if any(one in items[:place] for place, one in enumerate(items)):
        raise InputError(f"{shorten(repr(dict(given)))}: an item is there twice, and makes no pair with itself.")
    if typing.get_origin(hint) is not tuple:
        raise InputError("it holds one value, so it takes no pairs: give a list of values.")
    return [list(pair) for pair in itertools.combinations(items, 2)]


def _held(config: Any, own: Any, key: str, value: Any) -> Any:
    """Return a value as a config holds it, once it was allowed."""
    of_run, of_method = split_changes({key: value})
    return value_of((with_settings(config, of_run), with_settings(own, of_method, where="method")), key)


def _range(given: Mapping[str, Any], hint: Any) -> Range:
    if set(given) - {"low", "high", "log"} or not {"low", "high"} <= set(given):
        raise InputError(f"{shorten(repr(dict(given)))}: a range is {{low: X, high: Y}}, perhaps with log: true.")
    low, high, log = given["low"], given["high"], given.get("log", False)
    number = all(
        isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in (low, high)
    )
    if not number or not isinstance(log, bool) or not low < high or (log and low <= 0):
        raise InputError(
            f"low = {low!r}, high = {high!r}: low must be a number below high, and above 0 with log: true."
        )
    if hint not in (int, float, float | None, int | None):
        raise InputError("it is no number, so it has no range: give a list of values.")
    return Range(low, high, log, whole=hint in (int, int | None))
