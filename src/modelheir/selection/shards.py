"""Shards of a scored pool: which rows belong to which, and a Parquet file each that is whole or absent.

A file carries the *key* of its scores (teacher, pool, settings) in the entry ``modelheir`` of its metadata, so that
scores of another teacher or pool are never mixed in.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelheir.checks import InputError
from modelheir.runs.files import replace_file, to_json
from modelheir.shard import Shard

__all__ = [
    "Scored",
    "differences",
    "is_done",
    "read_bad",
    "read_scored",
    "score_file",
    "shards_in",
    "write_scored",
]

_NAME = re.compile(r"part-(\d+)-of-(\d+)\.parquet")
_ENTRY, _BAD = b"modelheir", b"modelheir_bad"
_GROUP = 16_384  #: rows of a row group: what a reader holds at once


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """What is kept of some images; ``M`` best classes an image, ``D`` features."""

    sample_id: pa.Array  #: ``(N,)`` text
    classes: np.ndarray  #: int32 ``(N, M)``, best first, numbers of the data's classes; -1 is a class that it lacks
    probabilities: np.ndarray  #: float32 ``(N, M)``
    content: np.ndarray | None = None  #: ``(N,)`` 16 bytes each: digest of the pixels
    hash: np.ndarray | None = None  #: uint64 ``(N,)``
    thumbnail: np.ndarray | None = None  #: uint8 ``(N, S, S, 3)``
    features: np.ndarray | None = None  #: float16 ``(N, D)``

    def __len__(self) -> int:
        return len(self.sample_id)


def score_file(folder: Path, shard: Shard) -> Path:
    """Return where the scores of a shard are kept."""
    return shard.file(folder, "part", "parquet")


def shards_in(folder: Path) -> list[Shard]:
    """Return the shards that have a file in ``folder``, whole or not."""
    names = [_NAME.fullmatch(path.name) for path in folder.glob("part-*.parquet")]
    return sorted((Shard(int(one[1]), int(one[2])) for one in names if one), key=lambda one: (one.of, one.number))


def write_scored(path: Path, found: Scored, key: Mapping[str, Any], *, bad: Mapping[str, str] | None = None) -> None:
    """Write scores with their key, whole or not at all.

    Args:
        path: The file.
        found: The scores.
        key: What they depend on.
        bad: Id of an image that cannot be decoded -> why.
    """
    columns: dict[str, Any] = {
        "sample_id": found.sample_id,
        "classes": _lists(found.classes),
        "probabilities": _lists(found.probabilities),
    }
    if found.content is not None:
        columns["content"] = pa.array(found.content.tolist(), pa.binary(16))
    if found.hash is not None:
        columns["hash"] = pa.array(found.hash)
    for name, values in (("thumbnail", found.thumbnail), ("features", found.features)):
        if values is not None:
            columns[name] = _lists(values.reshape(len(values), int(np.prod(values.shape[1:]))))
    table = pa.table(columns).replace_schema_metadata(
        {_ENTRY: json.dumps(to_json(key)).encode(), _BAD: json.dumps(bad or {}).encode()}
    )
    replace_file(path, lambda temporary: pq.write_table(table, temporary, row_group_size=_GROUP))


def is_done(path: Path, key: Mapping[str, Any]) -> bool:
    """Tell whether ``path`` holds all scores of this key; a file that is absent or not whole does not.

    Raises:
        InputError: If it holds scores of another key; the message says what differs.
    """
    if not path.is_file():
        return False
    try:
        held = json.loads((pq.read_schema(path).metadata or {})[_ENTRY])
    except (pa.ArrowInvalid, OSError, KeyError, ValueError):
        return False
    if other := differences(held, to_json(key)):
        raise InputError(
            f"{path} was scored with another {' and '.join(other)}: give another --out, or remove {path.parent}."
        )
    return True


def read_bad(path: Path) -> dict[str, str]:
    """Return the images that could not be decoded, id -> why; none where the file is absent or not whole."""
    try:
        return json.loads((pq.read_schema(path).metadata or {})[_BAD])
    except (pa.ArrowInvalid, OSError, KeyError, ValueError):
        return {}


def differences(held: Any, wanted: Mapping[str, Any]) -> list[str]:
    """Return the names under which two keys differ.

    >>> differences({"teacher": "a", "pool": "b"}, {"teacher": "c", "pool": "b"})
    ['teacher']
    """
    if not isinstance(held, Mapping):
        return ["key"]
    return [name for name in (*wanted, *(held.keys() - wanted.keys())) if held.get(name) != wanted.get(name)]


def read_scored(files: Sequence[Path], *, columns: Sequence[str] = ("classes", "probabilities")) -> Iterator[Scored]:
    """Yield the scores of shards, a row group at a time, in the order of the files.

    Args:
        files: As :func:`write_scored` wrote them.
        columns: Which fields besides the ids are read; ``classes`` and ``probabilities`` are always.

    Raises:
        InputError: If a file cannot be read.
    """
    names = list(dict.fromkeys(["sample_id", "classes", "probabilities", *columns]))
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                there = [name for name in names if name in file.schema_arrow.names]
                for number in range(file.num_row_groups):
                    yield _scored(file.read_row_group(number, columns=there))
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{path}: not a whole file of scores ({str(error).splitlines()[0]}): remove it and run its shard again."
            ) from error


def _scored(table: pa.Table) -> Scored:
    parts = {name: table[name].combine_chunks() for name in table.column_names}
    found: dict[str, Any] = {"sample_id": parts.pop("sample_id")}
    for name, column in parts.items():
        if pa.types.is_fixed_size_list(column.type):
            found[name] = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
        elif name == "content":
            found[name] = np.array(column.to_pylist(), dtype=object)
        else:
            found[name] = column.to_numpy(zero_copy_only=False)
    if "thumbnail" in found:
        side = round((found["thumbnail"].shape[1] / 3) ** 0.5)
        found["thumbnail"] = found["thumbnail"].reshape(-1, side, side, 3)
    return Scored(**found)


def _lists(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])
