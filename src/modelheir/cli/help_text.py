"""The parser of a command's settings and the help that it prints: each with its type, limit, default and comment."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from modelheir.cli.spec import Spec, usage
from modelheir.config.describe import Setting
from modelheir.screen import line_width

__all__ = ["build_parser", "takes_many"]


def takes_many(hint: Any) -> bool:
    """Tell whether a type is a list of values."""
    return typing.get_origin(hint) in (tuple, list)


def build_parser(spec: Spec, known: Mapping[str, Setting], flat: Mapping[str, Any], *, others: int = 0) -> Any:
    """Build the parser of the ``known`` settings; its help is what ``--help`` prints.

    Args:
        spec: The command.
        known: Dotted setting -> what is known of it.
        flat: Dotted setting -> default, where it is not the config's own.
        others: Settings of the command that are not among them, since other choices read them.
    """
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
    count = "1 more setting belongs" if others == 1 else f"{others} more settings belong"
    more = f"; {count} to other choices: give the choice with --help to see them"
    other.add_argument("--help", action="store_true", help="print this and stop" + (more if others else ""))
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
