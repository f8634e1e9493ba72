"""One safetensors file of weights: its table of contents, and any run of its numbers, read without the rest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from modelheir.checks import InputError

__all__ = ["SnapshotFile", "Stored", "open_snapshot", "read_header"]

_MOST_HEADER = 100_000_000  #: bytes; the format allows no more
_TYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "U8": 1}
#: of bytes, with 256 levels over the span of a channel, as a share of a weight of usual size there
_ROUNDING = {"F64": 2.0**-53, "F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8, "U8": 2.0**-7}
_SCALE, _OFFSET = "#scale", "#offset"  #: beside a tensor of bytes, one number an output channel


@dataclasses.dataclass(frozen=True)
class Stored:
    """Where one floating tensor lies."""

    kind: str  #: F64, F32, F16, BF16, or U8: codes with a scale and an offset
    shape: tuple[int, ...]  #: of the tensor
    offset: int  #: bytes from the start of the file
    levels: tuple[int, int] = (0, 0)  #: of codes, where scales and offsets lie, float32, one an output channel

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return _TYPES[self.kind]

    @property
    def rounding(self) -> float:
        """Largest relative rounding error of its type."""
        return _ROUNDING[self.kind]


@dataclasses.dataclass(frozen=True)
class SnapshotFile:
    """A file whose header was read and agrees with its size."""

    path: Path
    tensors: dict[str, Stored]  #: the floating ones, in the order in which they lie
    written: str  #: the digest that its writer left in the header, or ""
    trained: tuple[str, ...] = ()  #: which of the tensors were trained, as its writer says; () where it does not

    @property
    def digest(self) -> str:
        """What identifies the content: the digest in its header, else the SHA-256 of the file."""
        if self.written:
            return self.written
        with self.path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()

    def open(self) -> BinaryIO:
        """Open the file, to :meth:`read` from it.

        Raises:
            InputError: If it is gone.
        """
        try:
            return self.path.open("rb", buffering=0)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}): was it removed meanwhile?") from error

    def read(self, handle: BinaryIO, one: Stored, first: int, out: np.ndarray) -> None:
        """Fill ``out``, ``(count,)`` float32 or float64, with the numbers of a tensor from number ``first`` on.

        Raises:
            InputError: If the file became shorter meanwhile.
        """
        own = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "U8": np.uint8}[one.kind]
        raw: np.ndarray = out if out.dtype == own else np.empty(len(out), own)
        self._read(handle, one.offset + first * one.width, raw)
        if one.kind == "BF16":
            wide = np.left_shift(raw, 16, dtype=np.uint32)
            out[:] = wide.view(np.float32)
        elif one.kind == "U8":
            channels = np.arange(first, first + len(out)) // math.prod(one.shape[1:])
            held = range(channels[0], channels[-1] + 1) if len(out) else range(0)
            scale, offset = np.empty(len(held), np.float32), np.empty(len(held), np.float32)
            for begin, numbers in zip(one.levels, (scale, offset), strict=True):
                self._read(handle, begin + held.start * 4, numbers)
            out[:] = offset[channels - held.start] + scale[channels - held.start] * raw
        elif raw is not out:
            out[:] = raw

    def _read(self, handle: BinaryIO, offset: int, raw: np.ndarray) -> None:
        handle.seek(offset)
        wanted, view = raw.view(np.uint8).data, 0
        while view < len(wanted):
            count = handle.readinto(wanted[view:])  # pyright: ignore[reportAttributeAccessIssue]
            if not count:
                raise InputError(f"{self.path} became shorter while it was read. Restore it from a copy.")
            view += count


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the table of a safetensors file, with its ``__metadata__``, and where its numbers begin.

    Raises:
        ValueError: If it is none.
        OSError: If it cannot be read.
    """
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if not 2 <= length <= min(_MOST_HEADER, path.stat().st_size - 8):
            raise ValueError("its header is longer than the file")
        header = json.loads(handle.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    return header, 8 + length


def open_snapshot(path: Path) -> SnapshotFile:
    """Read the header of a safetensors file.

    Raises:
        InputError: If it is missing, cut short or no such file.
    """
    try:
        header, base = read_header(path)
        about, size = header.pop("__metadata__", None) or {}, path.stat().st_size
        found = _codes({name: _stored(entry, base, size) for name, entry in header.items()})
        trained = tuple(name for name in json.loads(about.get("trained", "[]")) if name in found)
    except FileNotFoundError as error:
        raise InputError(f"the snapshot {path} is missing: restore it, or leave it out.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"the snapshot {path} is not a whole safetensors file ({reason}). Restore it from a copy, or leave it out."
        ) from error
    floats = {name: one for name, one in found.items() if one is not None}
    order = sorted(floats, key=lambda name: floats[name].offset)
    return SnapshotFile(path, {name: floats[name] for name in order}, str(about.get("sha256", "")), trained)


def _codes(found: dict[str, Stored | None]) -> dict[str, Stored | None]:
    """Join tensors of codes with their scales and offsets; bytes that have none are no weights."""
    codes: dict[str, Stored | None] = {}
    for name, one in found.items():
        if one is None or one.kind != "U8":
            continue
        levels = found.get(name + _SCALE), found.get(name + _OFFSET)
        if any(own is None or own.kind != "F32" or own.shape != one.shape[:1] for own in levels):
            codes[name] = None
        else:
            codes[name] = dataclasses.replace(one, levels=tuple(own.offset for own in levels if own))
    beside = {name + end for name, one in codes.items() if one for end in (_SCALE, _OFFSET)}
    return {name: codes.get(name, one) for name, one in found.items() if name not in beside}


def _stored(entry: dict[str, Any], base: int, size: int) -> Stored | None:
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end or base + end > size:
        raise ValueError("it is cut short")
    if entry["dtype"] not in _TYPES:
        return None
    shape = tuple(int(side) for side in entry["shape"])
    if end - begin != _TYPES[entry["dtype"]] * math.prod(shape):
        raise ValueError("a tensor's size is not that of its shape")
    return Stored(entry["dtype"], shape, base + begin)
