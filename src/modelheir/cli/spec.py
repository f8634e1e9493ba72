"""What a command understands: its words, its settings, its own defaults and short flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

__all__ = ["Spec", "flag_name", "usage"]


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a command understands."""

    command: str  #: such as ``train upgrade``
    about: str  #: what it does, for ``--help``
    configs: Mapping[str, type[Any]]  #: dotted prefix -> config dataclass; "" is the top level
    words: str = ""  #: names of the positional words: ``MODEL``, ``MODEL ...``, ``KIND [RUN ...]``; empty takes none
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: dotted setting -> this command's default
    shortcuts: Mapping[str, str] = dataclasses.field(default_factory=dict)  #: short flag -> dotted setting
    ignored: tuple[str, ...] = ()  #: keys that a settings file may hold for others to read
    prints: bool = False  #: whether there is ``--print_config``
    epilog: str = ""


def flag_name(flag: str) -> str:
    """Return what a flag is called: dashes and underscores mean the same, in every command.

    >>> flag_name("--max-nfr") == flag_name("--max_nfr") == "max_nfr"
    True
    """
    return flag.removeprefix("--").replace("-", "_")


def usage(spec: Spec) -> str:
    """Say how a command is called."""
    return " ".join(f"modelheir {spec.command} {spec.words} [--setting value ...]".split())
