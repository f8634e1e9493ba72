"""Index files: which images keep their label, one position or sample id a line.

The published lists of ImageNet hold positions in the order of its training images, from 0. The first line may say what
follows, ``position`` or ``sample_id``; without it, lines that are all sample ids are that, and whole numbers are
positions. Empty lines and those that begin with ``#`` are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modelheir.checks import InputError

__all__ = ["read_index_file", "write_index_file"]

_HEADERS = ("sample_id", "position")


def read_index_file(path: str | Path, ids: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the rows that a file names.

    Args:
        path: A text file.
        ids: Sample ids of the set, ``(N,)``, in its order.

    Returns:
        Rows, int64, rising, each once.

    Raises:
        InputError: If the file is missing or empty, names a sample that the set lacks or one twice, or its lines can
            be read both as ids and as positions.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the list of labelled images cannot be read ({error}).") from None
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    header = lines.pop(0) if lines and lines[0] in _HEADERS else ""
    if not lines:
        raise InputError(f"{path}: there is no line; one position or sample id a line is expected.")
    rows = _rows(lines, np.asarray(ids, dtype=str), header, path)
    found, counts = np.unique(rows, return_counts=True)
    if len(found) < len(rows):
        twice = [lines[int(np.flatnonzero(rows == row)[0])] for row in found[counts > 1][:5]]
        raise InputError(f"{path}: {len(rows) - len(found)} lines repeat an image ({', '.join(twice)}).")
    return found


def write_index_file(path: str | Path, ids: Sequence[str] | np.ndarray) -> None:
    """Write sample ids, one a line, with the line that says so; :func:`read_index_file` reads them in any set."""
    Path(path).write_text("\n".join([_HEADERS[0], *(str(one) for one in ids)]) + "\n", encoding="utf-8")


def _rows(lines: list[str], ids: np.ndarray, header: str, path: Path) -> np.ndarray:
    """Return the row of each line, -1 never: what cannot be placed is an error."""
    by_id = _by_id(lines, ids) if header != "position" else np.full(len(lines), -1)
    by_position = _by_position(lines, len(ids)) if header != "sample_id" else np.full(len(lines), -1)
    are_ids, are_positions = bool((by_id >= 0).all()), bool((by_position >= 0).all())
    if are_ids and are_positions and (by_id != by_position).any():
        raise InputError(
            f"{path}: its lines are sample ids as well as positions; put 'sample_id' or 'position' in the first line."
        )
    if are_ids or are_positions:
        return by_id if are_ids else by_position
    numbers = header == "position" or (header == "" and all(line.isdecimal() for line in lines))
    missing = np.flatnonzero((by_position if numbers else by_id) < 0)
    named = ", ".join(lines[int(at)] for at in missing[:5])
    what = f"are no positions from 0 to {len(ids) - 1}" if numbers else "are no sample ids of the set"
    raise InputError(f"{path}: {len(missing)} of {len(lines)} lines {what} ({named}{', ...' * (len(missing) > 5)}).")


def _by_id(lines: list[str], ids: np.ndarray) -> np.ndarray:
    row = {str(one): number for number, one in enumerate(ids)}
    return np.array([row.get(line, -1) for line in lines], np.int64)


def _by_position(lines: list[str], size: int) -> np.ndarray:
    numbers = [int(line) if line.isdecimal() and len(line) < 19 else -1 for line in lines]
    return np.array([number if number < size else -1 for number in numbers], np.int64)
