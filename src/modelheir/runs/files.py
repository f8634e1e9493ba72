"""Files that are whole or absent: every write goes to a temporary neighbour and is renamed into place."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelheir.checks import InputError

__all__ = ["append_line", "read_json", "read_mapping", "replace_file", "to_json", "write_json", "write_text"]


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file, then rename it to ``path``; a crash leaves the old file or none.

    The umask says who may read the file, even where ``write`` puts a private file in place of the temporary one.

    Raises:
        InputError: If the disk is full or the folder cannot be written; nothing half-written stays behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        if temporary.stat().st_mode != mode:  # safetensors makes files that only their owner may read
            temporary.chmod(stat.S_IMODE(mode))
        with temporary.open("r+b") as handle:  # Windows flushes only what is open for writing
            os.fsync(handle.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # where a file stands in place of the folder
            temporary.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {path}: {reason}. Free the space or the folder and run again.") from error
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        number = re.search(r"\(os error (\d+)\)", str(error))  # safetensors raises its own type
        if number is None:
            raise
        reason = os.strerror(int(number[1]))
        raise InputError(f"cannot write {path}: {reason}. Free the space or the folder and run again.") from error


def _flush_folder(folder: Path) -> None:
    """Make a rename in ``folder`` outlast a power cut, where the system has a way to ask for it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # file names may hold half letters

    replace_file(path, write)


def to_json(value: Any) -> Any:
    """Turn a value into what JSON can hold: NumPy scalars to Python, NaN and infinities to ``None``, paths to text."""
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(to_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: If it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: is {path.parent} a modelheir run folder?") from error
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}).") from error


def read_mapping(path: Path, advice: str) -> dict[str, Any]:
    """Read a JSON file that holds names and values.

    Args:
        path: The file.
        advice: What to do where it is damaged, a sentence without its full stop.

    Raises:
        InputError: If it is missing, not JSON, or something else than names and values.
    """
    try:
        found = read_json(path)
    except InputError as error:
        raise InputError(f"{error} {advice}.") from error
    if not isinstance(found, dict):
        raise InputError(
            f"{path} is damaged: it holds a {type(found).__name__} in place of names and values. {advice}."
        )
    return found


def append_line(path: Path, text: str) -> None:
    """Append one line in a single write, so that a reader never sees half of it.

    Raises:
        InputError: If the disk is full or the folder cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as handle:
            handle.write(text + "\n")
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}. Free the space or the folder and run again."
        ) from error
