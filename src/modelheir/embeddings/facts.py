"""``view.json``: which encoder saw which images, how they were prepared, and how its vectors are stored."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelheir.checks import InputError
from modelheir.printable import shorten
from modelheir.runs.files import read_mapping, to_json, write_json

__all__ = ["DTYPES", "FORMAT", "NAME", "ViewFacts", "accept_facts", "read_facts", "write_facts"]

FORMAT = 1  #: of the files; a reader refuses another
NAME = "view.json"
DTYPES = ("float16", "float32")

_ADVICE = "Compute the view again with `modelheir embed`"
_TOLD = ("encoder.address", "data.address")  #: a fingerprint decides, not where the thing lies today


@dataclasses.dataclass(frozen=True)
class ViewFacts:
    """What decides the content of a view, and how it is cut into shards."""

    encoder: Mapping[str, Any]  #: ``address``, ``fingerprint``, and the ``image_size`` that it was asked to see
    preprocessing: Mapping[str, Any]  #: what happens to an image before the encoder, and the precision of its pass
    data: Mapping[str, Any]  #: ``address``; ``content`` and ``pixels``, digests of labels, ids and decoded images
    rows: str  #: digest of ``ids.parquet``'s sample ids and labels, in order
    classes: tuple[str, ...]  #: of the labels, in order; empty where all images are unlabelled
    count: int  #: images, ``N``
    width: int  #: numbers a vector, ``D``
    dtype: str  #: ``float16`` or ``float32``
    shard_images: int  #: images a shard; the last one may have fewer
    format: int = FORMAT

    @property
    def shards(self) -> int:
        """Number of shards once all are written."""
        return -(-self.count // self.shard_images)

    def shard(self, number: int) -> range:
        """Return the rows of shard ``number``, from 0."""
        return range(number * self.shard_images, min((number + 1) * self.shard_images, self.count))

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 of all that decides the content: a shard that carries another key is of another view."""
        decides = dict(_flat("", to_json(dataclasses.asdict(self))))
        for name in _TOLD:
            decides.pop(name, None)
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def write_facts(folder: Path, wanted: ViewFacts) -> None:
    """Write ``view.json``, or require that the one there says the same.

    Raises:
        InputError: As :func:`accept_facts`.
    """
    if not (folder / NAME).is_file():
        write_json(folder / NAME, {"format": wanted.format, **dataclasses.asdict(wanted)})
    accept_facts(folder, wanted)  # another process may have been faster


def accept_facts(folder: Path, wanted: ViewFacts) -> None:
    """Require that the view in a folder is the one that a process is about to write.

    Raises:
        InputError: Says whether it is of another encoder, other data or another preparation, or that ``view.json`` is
            damaged or of another format.
    """
    held = read_facts(folder)
    if held.key == wanted.key:
        return
    raise InputError(
        f"{folder} holds {_difference(held, wanted)}: give another --out, as a folder never mixes two views."
    )


def _difference(held: ViewFacts, wanted: ViewFacts) -> str:
    """Say in words what view is there, and what other one it is to be: the first cause that a person would name."""
    old, new = (dict(_flat("", to_json(dataclasses.asdict(one)))) for one in (held, wanted))
    differ = [name for name in {**new, **old} if name not in _TOLD and old.get(name) != new.get(name)]
    if held.encoder["address"] != wanted.encoder["address"]:
        return f"the view of another encoder, {held.encoder['address']}, than {wanted.encoder['address']}"
    if other := [name for name in differ if name.partition(".")[0] in ("data", "rows", "classes", "count")]:
        what = "the classes" if "classes" in other else "the ids or labels" if "rows" in other else "the pixels"
        return (
            f"a view of other data, {held.count:,} images of {held.data['address']}, than the {wanted.count:,} of "
            f"{wanted.data['address']} ({what} differ)"
        )
    if other := [name for name in differ if name != "encoder.fingerprint"]:
        name, (there, here) = other[0], (shorten(repr(one.get(other[0])), 80) for one in (old, new))
        return f"a view with {name} = {there}, and this one has {here}"
    prints = [one.encoder["fingerprint"][:12] for one in (held, wanted)]
    return f"the view of {held.encoder['address']} with other weights, fingerprint {prints[0]} and not {prints[1]}"


def read_facts(folder: Path) -> ViewFacts:
    """Read ``view.json``.

    Raises:
        InputError: If it is missing or damaged, or of another format.
    """
    path = folder / NAME
    if not path.is_file():
        there = "holds no view" if folder.is_dir() else "is not there"
        raise InputError(f"{folder} {there} ({NAME} is missing). {_ADVICE}.")
    found = read_mapping(path, _ADVICE)
    if found.get("format") != FORMAT:
        raise InputError(
            f"{path} is of format {shorten(repr(found.get('format')))}, and this version reads format {FORMAT}. "
            f"{_ADVICE}, or read it with the version that wrote it."
        )
    try:
        made = ViewFacts(**{field.name: found[field.name] for field in dataclasses.fields(ViewFacts)})
        made = dataclasses.replace(made, classes=tuple(made.classes))
        _check(made)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is damaged ({type(error).__name__}: {shorten(str(error), 80)}). {_ADVICE}."
        ) from error
    return made


def _check(found: ViewFacts) -> None:
    for name in ("count", "width", "shard_images"):
        value = getattr(found, name)
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} is {value!r}")
    if found.dtype not in DTYPES:
        raise ValueError(f"dtype is {found.dtype!r}")
    if not all(isinstance(name, str) for name in (*found.classes, found.rows)):
        raise ValueError("classes and rows are no text")
    if not isinstance(found.preprocessing, Mapping):
        raise TypeError("preprocessing is no mapping")
    for one, name in ((found.encoder, "fingerprint"), (found.data, "content"), (found.data, "pixels")):
        if not isinstance(one, Mapping) or not isinstance(one[name], str) or not isinstance(one["address"], str):
            raise TypeError(f"{name} is no text")


def _flat(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every single value below, by its dotted key; a list is one."""
    if not isinstance(value, Mapping):
        yield where, value
        return
    for key, one in value.items():
        yield from _flat(f"{where}.{key}" if where else str(key), one)
