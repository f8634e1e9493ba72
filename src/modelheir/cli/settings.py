"""Command lines from config dataclasses: words become settings, settings become frozen, checked configs.

What wins: the dataclass's defaults < the command's or method's own < each ``--config`` file in turn < flags, wherever
they stand. What a file says and a flag leaves aside (``--method.fix.epochs 0`` with a file's ``method.fix.scale``) is
left out, and a line says so. A flag is a dotted setting (``--fit.lr 0.01``, ``--fit.lr=0.01``); a list takes several
flags (``--old A --old B``) and, in commands without positional words, several words (``--old A B``); true-or-false
needs no word (``--quiet``).
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelheir.checks import InputError
from modelheir.cli.help_text import build_parser, takes_many
from modelheir.cli.spec import Spec, flag_name, usage
from modelheir.config.describe import Setting, settings
from modelheir.config.mapping import flatten, from_mapping, read_yaml
from modelheir.config.nearest import nearest_setting
from modelheir.config.unread import why_unread
from modelheir.screen import say

__all__ = ["Parsed", "parse"]


@dataclasses.dataclass(frozen=True)
class Parsed:
    """What a command line said."""

    words: tuple[str, ...]
    configs: Mapping[str, Any]  #: prefix -> config
    print_config: bool


def parse(spec: Spec, argv: Sequence[str]) -> Parsed:
    """Read a command line.

    Raises:
        InputError: If a setting is unknown (with the nearest spelling) or a value is not allowed.
        SystemExit: With code 0 after ``--help``.
    """
    known = {setting.key: setting for prefix, config in spec.configs.items() for setting in settings(config, prefix)}
    words, flags, files, asked = _words(spec, known, argv)
    flat: dict[str, Any] = {}
    for prefix in spec.configs:
        flat |= flatten(spec.configs[prefix], _part(spec, spec.defaults, prefix), where=prefix)
    usual = dict(flat)
    for path in files:
        flat |= _file(spec, path)
    given = {**flat, **_read_values(build_parser(spec, known, flat), known, flags)}
    configs = _made(spec, given)
    if files and flags and (aside := _left_aside(spec, flat, configs, set(flat) - set(flags))):
        for key, why in aside.items():
            if given[key] != usual.get(key, known[key].default) and not given.get("quiet"):
                say(
                    f"{key} = {given[key]!r} of the settings file has no effect with {why}, and is left out.",
                    error=True,
                )
        given = {key: value for key, value in given.items() if key not in aside}
        configs = _made(spec, {**{key: usual[key] for key in aside if key in usual}, **given})
    if "help" in asked:
        read = {one.key: known[one.key] for prefix, config in configs.items() for one in _read(config, prefix)}
        say(*build_parser(spec, read, flat, others=len(known) - len(read)).format_help().split("\n"))
        raise SystemExit(0)
    return Parsed(tuple(words), configs, "print_config" in asked)


def _made(spec: Spec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Build each config of the command from dotted settings."""
    return {
        prefix: from_mapping(config, _part(spec, given, prefix), where=prefix)
        for prefix, config in spec.configs.items()
    }


def _left_aside(spec: Spec, filed: Mapping[str, Any], configs: Mapping[str, Any], keys: set[str]) -> dict[str, str]:
    """Return those of ``keys`` that are read with ``filed``, which no flag has changed, and not now; and why not."""
    try:
        before = _made(spec, filed)
    except InputError:  # the flags mend what does not go together
        return {}
    found: dict[str, str] = {}
    for prefix, config in configs.items():
        for key in _part(spec, dict.fromkeys(sorted(keys)), prefix):
            why = why_unread(config, key, prefix)
            if why and not why_unread(before[prefix], key, prefix):
                found[f"{prefix}.{key}".removeprefix(".")] = why
    return found


def _read(config: Any, prefix: str) -> Iterator[Setting]:
    """Yield the settings that are read with the choices that a config makes."""
    return settings(type(config), prefix, start=config, every=False)


def _read_values(parser: Any, known: Mapping[str, Setting], flags: Mapping[str, list[str]]) -> dict[str, Any]:
    """Have jsonargparse turn raw words into values of their types."""
    from jsonargparse import ArgumentError

    def read(keys: Sequence[str]) -> dict[str, Any]:
        found = parser.parse_args([f"--{key}={_text(known[key], flags[key])}" for key in keys])
        return {key: found[key] for key in keys}

    try:
        return read(list(flags))
    except (ArgumentError, TypeError, ValueError):
        for key in flags:  # one by one, to name the first that does not fit
            try:
                read([key])
            except (ArgumentError, TypeError, ValueError) as error:
                said = " ".join(flags[key])
                raise InputError(f"{key} = {said!r}: must be {known[key].allowed}.") from error
        raise


def _text(setting: Setting, raw: Sequence[str]) -> str:
    """Return one word for one flag: several words become a JSON list, whose items of text are quoted."""
    if len(raw) == 1 and (not takes_many(setting.type) or raw[0].lstrip().startswith("[")):
        return raw[0]
    item = typing.get_args(setting.type)[0]
    return "[" + ", ".join(json.dumps(word) if item is str else word for word in raw) + "]"


def _part(spec: Spec, flat: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the dotted settings that belong to one config, without its prefix."""
    if prefix:
        return {key.removeprefix(f"{prefix}."): value for key, value in flat.items() if key.startswith(f"{prefix}.")}
    others = tuple(f"{other}." for other in spec.configs if other)
    return {key: value for key, value in flat.items() if not (others and key.startswith(others))}


def _file(spec: Spec, path: str) -> dict[str, Any]:
    """Read a settings file; what it holds is checked here, so that messages can name the file."""
    tree = {key: value for key, value in read_yaml(path).items() if key not in spec.ignored}
    flat: dict[str, Any] = {}
    for prefix, config in spec.configs.items():
        if prefix:
            inner = tree.pop(prefix, None) or {}
            if not isinstance(inner, Mapping):
                raise InputError(f"{path}: {prefix} is a group of settings, got {inner!r}.")
            part = {**inner, **{key.removeprefix(f"{prefix}."): tree.pop(key) for key in _under(prefix, tree)}}
        else:
            part = {key: value for key, value in tree.items() if key.partition(".")[0] not in spec.configs}
        from_mapping(config, part, where=prefix, source=path)
        flat |= flatten(config, part, where=prefix, source=path)
    return flat


def _under(prefix: str, tree: Mapping[str, Any]) -> list[str]:
    return [key for key in tree if str(key).startswith(f"{prefix}.")]


def _words(
    spec: Spec, known: Mapping[str, Setting], argv: Sequence[str]
) -> tuple[list[str], dict[str, list[str]], list[str], set[str]]:
    """Sort words into positional ones, flags with their raw values, settings files, and requests."""
    words: list[str] = []
    flags: dict[str, list[str]] = {}
    files: list[str] = []
    asked: set[str] = set()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "-h":
            word = "--help"
        if not word.startswith("--") or word == "--":
            words.append(word)
            continue
        flag, equals, value = word.partition("=")
        key = flag_name(flag)
        if key in ("help", *(["print_config"] if spec.prints else [])) and not equals:
            asked.add(key)
            continue
        if key == "config":
            files += [value] if equals else _take(word, rest, 1)
            continue
        key = spec.shortcuts.get(key, key)
        if key not in known:
            raise InputError(_unknown(spec, known, key))
        if equals:
            values = [value]
        elif known[key].type is bool:
            values = [rest.pop(0)] if rest and rest[0].lower() in ("true", "false") else ["true"]
        else:
            values = _take(word, rest, 0 if takes_many(known[key].type) and not spec.words else 1)
        flags[key] = flags.get(key, []) + values if takes_many(known[key].type) else values
    if "help" not in asked:
        _count(spec, words)
    return words, flags, files, asked


def _take(flag: str, rest: list[str], count: int) -> list[str]:
    """Take the next ``count`` words off ``rest``; 0 takes all up to the next flag."""
    taken: list[str] = []
    while rest and not rest[0].startswith("--") and (not count or len(taken) < count):
        taken.append(rest.pop(0))
    if not taken:
        raise InputError(f"{flag} needs a value.")
    return taken


def _count(spec: Spec, words: Sequence[str]) -> None:
    """Check the number of positional words."""
    names = spec.words.partition("[")[0].removesuffix(" ...").split()
    more = "..." in spec.words
    if len(words) < len(names):
        raise InputError(f"{names[len(words)]} is missing: {usage(spec)}.")
    if len(words) > len(names) and not more:
        raise InputError(f"unexpected {words[len(names)]!r}: settings are written --name value.")


def _unknown(spec: Spec, known: Mapping[str, Setting], key: str) -> str:
    """Write the error for a flag that is none."""
    others = [*spec.shortcuts, "config", "help", *(["print_config"] if spec.prints else [])]
    near = nearest_setting(key, known, others)
    hint = f" Did you mean '--{near}'?" if near else ""
    return f"unknown setting '--{key}'.{hint} `modelheir {spec.command} --help` lists all."
