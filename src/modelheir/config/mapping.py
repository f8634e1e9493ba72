"""Settings to plain values and back: what a YAML file or a command line says becomes a checked, frozen dataclass.

A key that no dataclass knows is an error with the nearest spelling; a value of another type is an error with the key,
the value and what is allowed. Nothing is converted by guess: ``"3"`` is no number and ``3`` is no text.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from modelheir.checks import InputError, Limit, limits, nearest, validate
from modelheir.config.unread import unread
from modelheir.config.yaml_files import read_yaml
from modelheir.printable import shorten

__all__ = [
    "allowed", "default_of", "flatten", "from_mapping", "plain_type", "read_yaml", "to_mapping", "with_settings",
]  # fmt: skip

T = TypeVar("T")


def to_mapping(config: Any, *, every: bool = False) -> dict[str, Any]:
    """Return a config as plain values: dicts, lists, text, numbers; what its choices leave aside only with ``every``.

    >>> from modelheir.config.fit import FitConfig
    >>> to_mapping(FitConfig(epochs=3))["epochs"]
    3
    """
    aside = () if every else unread(config)
    fields = [field.name for field in dataclasses.fields(config) if field.name not in aside]
    return {name: _plain(getattr(config, name), every) for name in fields}


def _plain(value: Any, every: bool) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value, every=every)
    if isinstance(value, Mapping):
        return {key: _plain(item, every) for key, item in value.items()}
    return [_plain(item, every) for item in value] if isinstance(value, tuple | list) else value


def from_mapping(config: type[T], mapping: Mapping[str, Any], *, where: str = "", source: str = "") -> T:
    """Build a config from plain values; what is absent keeps its default.

    Args:
        config: A dataclass; fields may be dataclasses again.
        mapping: Keys of the dataclass, or dotted keys (``fit.epochs``), to values.
        where: Dotted key of ``config`` itself, for messages.
        source: The file that ``mapping`` was read from, for messages.

    Raises:
        InputError: If a key is unknown, or a value has another type or lies outside its limit.

    Example:
        >>> from modelheir.config.fit import FitConfig
        >>> from_mapping(FitConfig, {"epochs": 3, "lr": 1}).lr
        1.0
    """
    flat = flatten(config, mapping, where=where, source=source)
    try:
        made = _build(config, flat, where)
        validate(made, where)
    except InputError as error:
        raise InputError(f"{source}: {error}" if source else str(error)) from None
    return made


def with_settings(config: T, changes: Mapping[str, Any], *, where: str = "") -> T:
    """Return a config with some settings changed; the others stay as they are.

    Args:
        config: A config.
        changes: Dotted keys to values.
        where: Dotted key of ``config`` itself, for messages.

    Raises:
        InputError: If a key is unknown, or a value has another type or lies outside its limit.

    Example:
        >>> from modelheir.config.run import TrainConfig
        >>> found = with_settings(TrainConfig(seed=3), {"fit.epochs": 2})
        >>> found.seed, found.fit.epochs
        (3, 2)
    """
    made = _build(type(config), flatten(type(config), changes, where=where), where, config)
    validate(made, where)
    return made


def _build(config: type[T], flat: Mapping[str, Any], where: str, start: T | None = None) -> T:
    """Build ``config`` from dotted settings; what is not given keeps the value of ``start``, else the default."""
    values: dict[str, Any] = {}
    fields = {field.name: field for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    for name, hint, _ in limits(config):
        key = _join(where, name)
        inner = plain_type(hint)
        if dataclasses.is_dataclass(inner):
            if any(given.startswith(f"{key}.") for given in flat):
                own = getattr(start, name) if start is not None else default_of(fields[name])
                values[name] = _build(inner, flat, key, own)  # type: ignore[arg-type]
        elif key in flat:
            values[name] = flat[key]
    return config(**values) if start is None else dataclasses.replace(start, **values)  # type: ignore[type-var]


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default, made anew; a group may give its inner settings other defaults than their class does."""
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def flatten(config: type[Any], mapping: Mapping[str, Any], *, where: str = "", source: str = "") -> dict[str, Any]:
    """Return the given settings as ``{dotted key: value}``, each of its field's type.

    Raises:
        InputError: If a key is unknown or a value has another type.
    """
    at = f"{source}: " if source else ""
    known = {name: (plain_type(hint), limit) for name, hint, limit in limits(config)}
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        name, dot, rest = str(key).partition(".")
        if name not in known:
            inside = f" in {where}" if where else ""
            raise InputError(
                f"{at}unknown setting {shorten(str(key))!r}{inside}.{nearest(name, known) or _known(known)}"
            )
        hint, limit = known[name]
        here = _join(where, name)
        if dataclasses.is_dataclass(hint):
            if not dot and not isinstance(value, Mapping):
                raise InputError(
                    f"{at}{here} is a group of settings, got {shorten(repr(value))}: write {here}.NAME: VALUE."
                )
            flat |= flatten(hint, {rest: value} if dot else value, where=here, source=source)  # type: ignore[arg-type]
        elif dot:
            raise InputError(f"{at}unknown setting {shorten(str(key))!r}: {here} is one value, not a group.")
        else:
            fits, made = _convert(hint, value)
            if not fits:
                raise InputError(f"{at}{here} = {shorten(repr(value))}: must be {allowed(hint, limit)}.")
            flat[here] = made
    return flat


def _known(names: Mapping[str, Any]) -> str:
    return f" Known: {', '.join(names)}."


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def plain_type(hint: Any) -> Any:
    """Return a type without its ``Annotated`` wrapping."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def _convert(hint: Any, value: Any) -> tuple[bool, Any]:
    """Return whether ``value`` fits the type, and the value as that type."""
    hint = plain_type(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True, value
    if origin in (typing.Union, types.UnionType):
        found = (_convert(one, value) for one in arguments)
        return next((pair for pair in found if pair[0]), (False, value))
    if origin is typing.Literal:
        return value in arguments, value
    if hint in (None, type(None)):
        return value is None, None
    if origin in (tuple, list):
        items = [_convert(arguments[0], one) for one in (value if isinstance(value, list | tuple) else [value])]
        return all(fits for fits, _ in items), origin(one for _, one in items)
    if hint is dict or origin in (dict, Mapping):
        if not isinstance(value, Mapping) or not arguments:
            return isinstance(value, Mapping), value
        items = {key: _convert(arguments[1], one) for key, one in value.items()}
        return all(fits for fits, _ in items.values()), {key: one for key, (_, one) in items.items()}
    if hint is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        fits = fits and (isinstance(value, float) or abs(value) < 2**63)  # a larger one may be no float
        return fits, float(value) if fits else value
    if hint is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
        fits = fits or (isinstance(value, float) and value.is_integer())
        return fits, int(value) if fits else value
    return isinstance(value, hint), value


_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "a mapping",
    Mapping: "a mapping",
}


def allowed(hint: Any, limit: Limit | None = None) -> str:
    """Say in words what a setting may be.

    >>> from modelheir.checks import AtLeast
    >>> allowed(int, AtLeast(1))
    'a whole number >= 1'
    >>> allowed(tuple[float, ...])
    'a list, each a number'
    """
    hint = plain_type(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    bound = f" {limit}" if limit else ""
    if limit and str(limit).startswith("one of"):
        return f"a list, each{bound}" if origin in (tuple, list) else str(limit)
    if origin in (tuple, list):
        return f"a list, each {allowed(arguments[0])}{bound}"
    if origin in (typing.Union, types.UnionType):
        inner = [allowed(one) + bound for one in arguments if one is not type(None)]
        return " or ".join(inner) + (", or null" if type(None) in arguments else "")
    if origin is typing.Literal:
        return "one of " + ", ".join(str(one) for one in arguments)
    return _WORDS.get(origin or hint, str(hint)) + bound
