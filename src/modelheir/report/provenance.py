"""Provenance: where the numbers of a page come from, flattened to rows that a person can read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

__all__ = ["rows"]

_FIRST = ("command", "commit", "dirty", "seed", "seeds", "data", "fingerprint", "device")


def rows(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Flatten nested values to ``(name, text)`` rows, the ones asked for most on top.

    >>> rows({"packages": {"numpy": "2.0"}, "dirty": True})
    [('dirty', 'yes: uncommitted changes'), ('packages.numpy', '2.0')]
    """
    found = list(_flat("", about))
    rank = {name: place for place, name in enumerate(_FIRST)}
    return sorted(found, key=lambda row: rank.get(row[0].partition(".")[0], len(rank)))


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        found: list[tuple[str, str]] = []
        for key, inner in value.items():
            found += _flat(f"{prefix}.{key}" if prefix else str(key), inner)
        return found
    if prefix == "dirty":
        return [(prefix, {True: "yes: uncommitted changes", False: "no"}.get(value, "unknown"))]
    if prefix == "command":
        return [(prefix, _typed(value))]
    if value is None:
        return [(prefix, "unknown")]
    if isinstance(value, list | tuple):
        return [(prefix, " ".join(str(part) for part in value))]
    return [(prefix, str(value))]


def _typed(words: Any) -> str:
    """Write a command as it is typed, quotes included; one word is a call in Python, and none was not kept.

    >>> _typed(["modelheir", "train", "my data"]), _typed(["modelheir.train('upgrade')"])
    ("modelheir train 'my data'", "modelheir.train('upgrade')")
    """
    if isinstance(words, str) or not words:
        return words or "not recorded"
    return str(words[0]) if len(words) == 1 else shlex.join(map(str, words))
