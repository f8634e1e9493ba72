"""Command lines from config dataclasses: words become settings, settings become frozen, checked configs.

What wins: the dataclass's defaults < the command's or method's own < each ``--config`` file in turn < flags, wherever
they stand. A flag is a dotted setting (``--fit.lr 0.01``, ``--fit.lr=0.01``); a list takes several flags
(``--old A --old B``) and, in commands without positional words, several words (``--old A B``); true-or-false needs no
word (``--quiet``).
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelheir.checks import InputError
from modelheir.cli.parser import build_parser, read_values, takes_many, usage
from modelheir.cli.screen import say
from modelheir.config.describe import Setting, settings
from modelheir.config.mapping import flatten, from_mapping, read_yaml

__all__ = ["Parsed", "Spec", "nearest_setting", "parse"]

#: what other programs call a setting -> the last part of its name here
_OTHER_WORDS = {
    "learning_rate": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "wd": "weight_decay",
    "opt": "optimizer",
    "scheduler": "schedule",
    "num_epochs": "epochs",
    "num_workers": "workers",
    "warmup": "warmup_epochs",
    "amp": "precision",
    "arch": "model",
    "teacher": "old",
    "dataset": "data",
    "output": "out",
    "output_dir": "out",
    "img_size": "image_size",
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a command understands."""

    command: str  #: such as ``train upgrade``
    about: str  #: what it does, for ``--help``
    configs: Mapping[str, type[Any]]  #: dotted prefix -> config dataclass; "" is the top level
    words: str = ""  #: names of the positional words, such as ``MODEL`` or ``MODEL ...``; empty takes none
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: dotted setting -> this command's default
    shortcuts: Mapping[str, str] = dataclasses.field(default_factory=dict)  #: short flag -> dotted setting
    ignored: tuple[str, ...] = ()  #: keys that a settings file may hold for others to read
    prints: bool = False  #: whether there is ``--print_config``
    epilog: str = ""


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
    for path in files:
        flat |= _file(spec, path)
    if "help" in asked:
        say(*build_parser(spec, known, flat).format_help().split("\n"))
        raise SystemExit(0)
    flat |= read_values(build_parser(spec, known, flat), known, flags)
    configs = {
        prefix: from_mapping(config, _part(spec, flat, prefix), where=prefix) for prefix, config in spec.configs.items()
    }
    return Parsed(tuple(words), configs, "print_config" in asked)


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
        key, equals, value = word[2:].partition("=")
        key = key.replace("-", "_")
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
    names = spec.words.removesuffix(" ...").split()
    more = spec.words.endswith(" ...")
    if len(words) < len(names):
        raise InputError(f"{names[len(words)]} is missing: {usage(spec)}.")
    if len(words) > len(names) and not more:
        raise InputError(f"unexpected {words[len(names)]!r}: settings are written --name value.")


def nearest_setting(key: str, known: Iterable[str], others: Iterable[str] = ()) -> str:
    """Return what was meant by an unknown setting, or an empty string.

    The same last name elsewhere, another program's word for it, or a near spelling.

    Args:
        key: The unknown setting.
        known: Dotted settings.
        others: Further words that are understood, such as short flags.
    """
    names = [*known]
    ends = {name.rpartition(".")[2]: name for name in reversed(names)}
    end = key.rpartition(".")[2]
    spoken = difflib.get_close_matches(end, _OTHER_WORDS, n=1, cutoff=0.8)
    if end not in ends and spoken:
        end = _OTHER_WORDS[spoken[0]]
    if end in ends:
        return ends[end]
    near = difflib.get_close_matches(key, [*names, *others], n=1)
    return next(iter(near or [ends[close] for close in difflib.get_close_matches(end, ends, n=1)]), "")


def _unknown(spec: Spec, known: Mapping[str, Setting], key: str) -> str:
    """Write the error for a flag that is none."""
    others = [*spec.shortcuts, "config", "help", *(["print_config"] if spec.prints else [])]
    near = nearest_setting(key, known, others)
    hint = f" Did you mean '--{near}'?" if near else ""
    return f"unknown setting '--{key}'.{hint} `modelheir {spec.command} --help` lists all."
