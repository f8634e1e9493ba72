"""The jsonargparse parser of a command: words of the command line become values, settings become help."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir.checks import InputError
from modelheir.cli.screen import line_width
from modelheir.config.describe import Setting

if TYPE_CHECKING:
    from modelheir.cli.parsing import Spec

__all__ = ["build_parser", "read_values", "takes_many", "usage"]


def takes_many(hint: Any) -> bool:
    """Tell whether a type is a list of values."""
    return typing.get_origin(hint) in (tuple, list)


def usage(spec: Spec) -> str:
    """Say how a command is called."""
    return " ".join(f"modelheir {spec.command} {spec.words} [--setting value ...]".split())


def read_values(parser: Any, known: Mapping[str, Setting], flags: Mapping[str, list[str]]) -> dict[str, Any]:
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


def build_parser(spec: Spec, known: Mapping[str, Setting], flat: Mapping[str, Any]) -> Any:
    """Build the parser of all ``known`` settings, with the defaults of ``flat``; its help is what ``--help`` prints."""
    import argparse

    import jsonargparse

    def shape(prog: str) -> argparse.HelpFormatter:
        return argparse.RawDescriptionHelpFormatter(prog, max_help_position=34, width=line_width())

    parser = jsonargparse.ArgumentParser(
        prog=f"modelheir {spec.command}",
        usage=usage(spec),
        description=spec.about,
        epilog=spec.epilog,
        exit_on_error=False,
        allow_abbrev=False,
        formatter_class=shape,  # type: ignore[arg-type]
        add_help=False,
    )
    groups: dict[str, Any] = {}
    short = {key: flag for flag, key in spec.shortcuts.items()}
    for key, setting in sorted(known.items(), key=lambda pair: _rank(pair[0])):
        group, dot, _ = key.rpartition(".")
        title = f"--{group}.*" if dot else "settings"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        default = flat.get(key, setting.default)
        groups[title].add_argument(
            f"--{key}",
            type=setting.type,
            default=default,
            metavar=_metavar(setting),
            help=_help(setting, default, short.get(key, "")).replace("%", "%%"),
        )
    other = parser.add_argument_group("also")
    other.add_argument("--config", metavar="FILE", help="settings from a YAML file; flags win over it")
    if spec.prints:
        other.add_argument("--print_config", action="store_true", help="print all settings as YAML and stop")
    other.add_argument("--help", action="store_true", help="print this and stop")
    return parser


def _rank(key: str) -> int:
    """Top-level settings first in the help, then the method's own, then the groups."""
    return 0 if "." not in key else (1 if key.startswith("method.") else 2)


def _metavar(setting: Setting) -> str:
    words = {int: "N", float: "X", bool: "", dict: "JSON"}
    hint = setting.type
    if takes_many(hint):
        return f"{words.get(typing.get_args(hint)[0], 'TEXT')} ..."
    kinds = (hint, typing.get_origin(hint), *typing.get_args(hint))
    return next((words[one] for one in kinds if one in (*words,)), "TEXT")


def _help(setting: Setting, default: Any, short: str) -> str:
    shown = "" if default in ("", (), None, {}) else f"default {_shown(default)}"
    limit = str(setting.limit) if setting.limit else ""
    facts = "; ".join(part for part in (limit, shown, f"also --{short}" if short else "") if part)
    text = setting.about or setting.key.rpartition(".")[2].replace("_", " ")
    return f"{text} ({facts})" if facts else text


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(_shown(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
