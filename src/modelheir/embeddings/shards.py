"""One shard of a view: an array ``shards/NNNNN.npy``, and ``shards/NNNNN.json``, which is written last.

Without the second the shard is not there; it carries the view's key and the checksum, so that vectors of another view
are never read as these.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelheir.checks import InputError
from modelheir.embeddings.facts import ViewFacts
from modelheir.printable import shorten
from modelheir.runs.files import read_mapping, replace_file, write_json
from modelheir.runs.seal import digest

__all__ = ["ShardNote", "check_shard", "is_finished", "map_shard", "nonfinite_rows", "shard_file", "write_shard"]

_ADVICE = "Remove it and run the same `modelheir embed` again"
_CHUNK = 512  #: rows looked at at once


@dataclasses.dataclass(frozen=True)
class ShardNote:
    """What is noted of a finished shard."""

    size: int  #: bytes of the array's file
    sha256: str
    missing: tuple[int, ...]  #: rows in the shard of images that could not be decoded; their vectors are NaN


def shard_file(folder: Path, number: int, ending: str = "npy") -> Path:
    """Return one of the two files of a shard.

    >>> shard_file(Path("view"), 3).as_posix()
    'view/shards/00003.npy'
    """
    return folder / "shards" / f"{number:05d}.{ending}"


def write_shard(
    folder: Path,
    facts: ViewFacts,
    number: int,
    vectors: np.ndarray,
    ids: np.ndarray,
    missing: np.ndarray | None = None,
) -> None:
    """Put a shard in its place, whole or not at all.

    Args:
        folder: Of the view.
        facts: Of the view.
        number: Of the shard, from 0.
        vectors: Floats ``(n, D)``.
        ids: Sample ids of its rows, ``(n,)``.
        missing: Rows of images that could not be decoded, integers; their vectors are stored as NaN.

    Raises:
        InputError: If another vector holds NaN, an infinity, or a number too large for the view's type; names the
            sample.
        ValueError: If the shapes are not those of the shard.
    """
    wanted = (len(facts.shard(number)), facts.width)
    if vectors.shape != wanted or len(ids) != wanted[0]:
        raise ValueError(f"shard {number} must have shape {wanted}, got {vectors.shape} and {len(ids)} ids")
    missing = np.zeros(0, np.int64) if missing is None else np.unique(missing)
    who = facts.encoder["address"]
    if len(bad := np.setdiff1d(nonfinite_rows(vectors), missing)):
        raise InputError(
            f"{who} gives numbers that are not finite for {_named(ids, bad)}: try --precision fp32, and look at the "
            "encoder's weights."
        )
    with np.errstate(over="ignore"):
        stored = vectors.astype(facts.dtype)
    if len(large := np.setdiff1d(nonfinite_rows(stored), missing)):
        raise InputError(
            f"{who} gives numbers that {facts.dtype} cannot hold for {_named(ids, large)}: use --dtype float32."
        )
    stored[missing] = np.nan
    path, note = shard_file(folder, number), shard_file(folder, number, "json")
    note.unlink(missing_ok=True)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.lib.format.write_array(handle, np.ascontiguousarray(stored), allow_pickle=False)

    replace_file(path, write)
    about = {
        "view": facts.key,
        "bytes": path.stat().st_size,
        "sha256": digest(path),
        "missing": missing.tolist(),
    }
    write_json(note, about)


def _named(ids: np.ndarray, rows: np.ndarray) -> str:
    some = ", ".join(repr(shorten(str(name))) for name in ids[rows[:3]])
    return f"{len(rows):,} image{'s' if len(rows) > 1 else ''}, {some}{', ...' if len(rows) > 3 else ''}"


def nonfinite_rows(vectors: np.ndarray) -> np.ndarray:
    """Return the rows of ``(n, D)`` that hold NaN or an infinity.

    >>> nonfinite_rows(np.array([[0.0, 1.0], [np.inf, 0.0]])).tolist()
    [1]
    """
    found = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(vectors), _CHUNK):
        part = np.ascontiguousarray(vectors[start : start + _CHUNK])
        if not _all_finite(part):
            found.append(start + np.flatnonzero(~np.isfinite(part).all(axis=1)))
    return np.concatenate(found)


def _all_finite(values: np.ndarray) -> bool:
    """Tell whether all numbers are finite; for half precision by the bits of the exponent, seven times as fast."""
    if values.dtype == np.float16:
        return bool((values.view(np.uint16) & np.uint16(0x7C00)).max(initial=0) < 0x7C00)
    return bool(np.isfinite(values).all())


def is_finished(folder: Path, facts: ViewFacts, number: int) -> bool:
    """Tell whether a shard is there, of this view, with its file in its size."""
    if not shard_file(folder, number, "json").is_file():
        return False
    try:
        check_shard(folder, facts, number)
    except InputError:
        return False
    return True


def check_shard(folder: Path, facts: ViewFacts, number: int, *, content: bool = False) -> ShardNote:
    """Check a shard's file against what was noted of it: its size, and where asked for its content.

    Raises:
        InputError: If it is missing or damaged, or of another view.
    """
    path, note = shard_file(folder, number), shard_file(folder, number, "json")
    about = read_mapping(note, _ADVICE)
    try:
        found = ShardNote(int(about["bytes"]), str(about["sha256"]), tuple(int(row) for row in about["missing"]))
        of, rows = str(about["view"]), len(facts.shard(number))
        if not all(0 <= row < rows for row in found.missing):
            raise ValueError("a missing row outside the shard")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{note} is damaged ({type(error).__name__}). {_ADVICE}.") from error
    if of != facts.key:
        raise InputError(f"{path} is a shard of another view than {folder} describes. {_ADVICE}.")
    if not path.is_file():
        raise InputError(f"{path} is missing. Run the same `modelheir embed` again.")
    if path.stat().st_size != found.size:
        raise InputError(
            f"{path} is damaged: it has {path.stat().st_size:,} bytes and was written with {found.size:,}. "
            "Run the same `modelheir embed` again."
        )
    if content and digest(path) != found.sha256:
        raise InputError(f"{path} is damaged: its content is not what was written (SHA-256). {_ADVICE}.")
    return found


def map_shard(folder: Path, facts: ViewFacts, number: int) -> np.ndarray:
    """Map a shard's vectors into memory, ``(n, D)``, read-only; no file stays open, however many shards there are.

    Raises:
        InputError: If the file is no array, or one of another shape or type.
    """
    path = shard_file(folder, number)
    try:
        with path.open("rb") as handle:
            shape, dtype, start = _header(handle)
        with pa.memory_map(str(path)) as mapped:
            buffer = mapped.read_buffer()
        found = np.frombuffer(buffer, dtype=dtype, offset=start, count=int(np.prod(shape))).reshape(shape)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing. Run the same `modelheir embed` again.") from error
    except (OSError, ValueError, EOFError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged: it is no array ({error}). {_ADVICE}.") from error
    wanted = (len(facts.shard(number)), facts.width)
    if found.shape != wanted or found.dtype != np.dtype(facts.dtype):
        said = f"{found.dtype} {found.shape} in place of {facts.dtype} {wanted}"
        raise InputError(f"{path} is damaged: it holds {said}. {_ADVICE}.")
    return found


def _header(handle: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, type and start of the numbers of an ``.npy`` file in C order."""
    version = np.lib.format.read_magic(handle)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(handle)
    if fortran or dtype.hasobject:
        raise ValueError("its numbers stand column by column, or are objects")
    return shape, dtype, handle.tell()
