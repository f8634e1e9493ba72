"""Whether predictions contradict themselves: scores against predictions, numbers against the class list."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.printable import shorten
from modelheir.types import Predictions

__all__ = ["check", "count_rows", "require_column"]

_SUM_TOLERANCE = 1e-3  #: how far a row of probabilities may be from adding up to 1


def check(path: Path | str, found: Predictions) -> None:
    """Refuse values that contradict each other."""
    widths = [len(found.classes)] if found.classes else []
    for name in ("logits", "probabilities"):
        values = getattr(found, name)
        if values is None:
            continue
        checks.two_dimensional(**{name: values})
        checks.same_length(sample_id=found.sample_id, prediction=found.prediction, **{name: values})
        if widths and values.shape[1] != widths[0]:
            raise InputError(f"{path}: {name} has {values.shape[1]} values a row for {widths[0]} classes.")
        widths.append(values.shape[1])
        every = functools.partial(_over_blocks, values)
        _refuse(path, found, every(lambda part, _: ~np.isfinite(part).all(axis=1)), f"{name} that are not finite")
        if name == "probabilities":
            wrong = every(
                lambda part, _: (part < 0).any(1) | (np.abs(part.sum(1, dtype=np.float64) - 1) > _SUM_TOLERANCE)
            )
            _refuse(path, found, wrong, "probabilities below 0 or not adding up to 1")
        _range(path, found, "prediction", 0, widths[0])
        lower = every(lambda part, rows: part[np.arange(len(part)), found.prediction[rows]] < part.max(axis=1))
        _refuse(path, found, lower, f"a prediction that is not the largest of their {name}")
    top = min(widths, default=None)
    _range(path, found, "label", -1, top)
    _range(path, found, "prediction", 0, top)


def count_rows(bad: np.ndarray, ids: np.ndarray) -> str:
    """Count rows and name the first five."""
    count = int(bad.sum())
    named = ", ".join(shorten(str(name)) for name in ids[np.flatnonzero(bad)[:5]])
    return f"{count:,} row{'s' * (count != 1)} ({named}{', ...' if count > 5 else ''})"


def _blocks(values: np.ndarray) -> Iterator[slice]:
    step = max(1, 4_000_000 // max(values.shape[1], 1))
    return (slice(start, start + step) for start in range(0, len(values), step))


def _over_blocks(values: np.ndarray, test: Any) -> np.ndarray:
    return np.concatenate([test(values[rows], rows) for rows in _blocks(values)] or [np.zeros(0, bool)])


def _refuse(path: Path | str, found: Predictions, bad: np.ndarray, what: str) -> None:
    if bad.any():
        raise InputError(f"{path} has {count_rows(bad, found.sample_id)} with {what}.")


def _range(path: Path | str, found: Predictions, name: str, low: int, top: int | None) -> None:
    values = np.asarray(getattr(found, name))
    bad = (values < low) | (values >= top if top is not None else False)
    allowed = f"outside the {top} classes" if top is not None else "below zero"
    _refuse(path, found, bad, f"a {name} {allowed}, such as {values[bad][0] if bad.any() else ''}")


def require_column(path: Path | str, names: Sequence[str], column: str, also: str = "") -> None:
    """Raise :class:`InputError` unless a file has a column; with the nearest spelling and those there are."""
    if column not in names:
        shown = ", ".join(shorten(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")
        raise InputError(f"{path} has no column {column!r}{also}.{checks.nearest(column, names)} It has: {shown}.")
