"""``cache.json``: whose outputs a cache holds, of which views of which images, and in how many shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelheir.checks import InputError
from modelheir.printable import shorten
from modelheir.runs.files import read_mapping, to_json, write_json

__all__ = [
    "FORMAT", "NAME", "Manifest", "accept_manifest", "read_manifest", "write_manifest",
]  # fmt: skip

FORMAT = 1  #: of the files; a reader refuses another
NAME = "cache.json"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What decides the content of a cache. ``V`` views, ``C`` classes, ``D`` features."""

    shards: int  #: how many there are once all are written
    images: int  #: of all shards, with those that cannot be decoded and have no row
    ids: str  #: SHA-256 of their sample ids, each in UTF-8 with a zero byte behind it, in order
    classes: tuple[str, ...]  #: of the logits, in order; ``C`` of them
    teachers: tuple[Mapping[str, Any], ...]  #: each ``address``, ``weight`` (they sum to 1), ``files``: name -> SHA-256
    policy: Mapping[str, str]  #: ``average``, ``batch_norm``, ``precision``
    kind: str  #: ``crops``, augmented views, or ``centre``, the one of evaluation
    views: int  #: ``V``; 1 for ``centre``
    inputs: Mapping[str, Any]  #: the settings ``inputs.*`` that decide a view
    dtype: str  #: ``float16`` or ``float32``, of what is stored
    top_k: int  #: largest classes kept; 0 keeps every logit
    features: int  #: ``D``; 0 where they are not kept
    format: int = FORMAT


def write_manifest(folder: Path, wanted: Manifest) -> None:
    """Write ``cache.json``, or require that the one there says the same.

    Raises:
        InputError: As :func:`accept_manifest`.
    """
    if not (folder / NAME).is_file():
        write_json(folder / NAME, {"format": wanted.format, **dataclasses.asdict(wanted)})
    accept_manifest(folder, wanted)  # another process may have been faster


def accept_manifest(folder: Path, wanted: Manifest) -> None:
    """Require that the ``cache.json`` of a folder says what a process is about to write.

    Raises:
        InputError: Names the first value that differs, or that the file is damaged or of another format.
    """
    if told := _difference(read_manifest(folder), wanted):
        key, old, new = told
        raise InputError(
            f"{folder} holds a cache with {key} = {old}, and this one has {new}: give another --out, or the same "
            "settings and teachers to go on with it."
        )


def read_manifest(folder: Path) -> Manifest:
    """Read ``cache.json``.

    Raises:
        InputError: If it is missing or damaged, or of another format.
    """
    path, advice = folder / NAME, "Write the cache again with `modelheir cache write`"
    if not path.is_file():
        there = "holds no teacher cache" if folder.is_dir() else "is not there"
        raise InputError(f"cache:{folder}: {folder} {there} ({NAME} is missing). {advice}.")
    found = read_mapping(path, advice)
    if found.get("format") != FORMAT:
        raise InputError(
            f"{path} is of format {shorten(repr(found.get('format')))}, and this version reads format {FORMAT}. "
            f"{advice}, or read it with the version that wrote it."
        )
    names = [field.name for field in dataclasses.fields(Manifest)]
    try:
        made = Manifest(**{name: found[name] for name in names})
        made = dataclasses.replace(made, classes=tuple(made.classes), teachers=tuple(made.teachers))
        _check(made)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {shorten(str(error), 80)}). {advice}.") from error
    return made


def _check(found: Manifest) -> None:
    for name in ("shards", "images", "views", "top_k", "features"):
        value = getattr(found, name)
        if type(value) is not int or value < (name in ("shards", "images", "views")):
            raise ValueError(f"{name} is {value!r}")
    if found.dtype not in ("float16", "float32") or found.kind not in ("crops", "centre"):
        raise ValueError(f"dtype is {found.dtype!r} and kind {found.kind!r}")
    if not found.classes or not all(isinstance(name, str) for name in found.classes):
        raise ValueError("classes are no names")
    if found.top_k >= len(found.classes):
        raise ValueError(f"top_k is {found.top_k} of {len(found.classes)} classes")
    for one in found.teachers:
        if not isinstance(one["address"], str) or not isinstance(dict(one["files"]), dict):
            raise TypeError("a teacher has no address")
    if not isinstance(found.inputs, Mapping) or not isinstance(found.policy, Mapping):
        raise TypeError("inputs and policy are no mappings")


def _difference(held: Manifest, wanted: Manifest) -> tuple[str, Any, Any] | None:
    """Return the first value in which two differ: its dotted key, and both values; ``None`` where they say the same."""
    flat = [dict(_flat("", to_json(dataclasses.asdict(one)))) for one in (held, wanted)]
    for key in {**flat[1], **flat[0]}:
        old, new = (shorten(repr(one.get(key)), 80) for one in flat)
        if flat[0].get(key) != flat[1].get(key):
            return key, old, new
    return None


def _flat(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every single value below, by its dotted key; a list of single values is one."""
    inner: Mapping[Any, Any] = {}
    if isinstance(value, Mapping):
        inner = value
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        inner = dict(enumerate(value))
    if not inner:
        yield where, value
    for key, one in inner.items():
        yield from _flat(f"{where}.{key}" if where else str(key), one)
