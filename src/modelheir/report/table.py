"""Tables as comma-separated values, safe to open in a spreadsheet: the same values as on the page, not rounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.printable import printable
from modelheir.report import numerals

__all__ = ["cell", "to_csv"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> str:
    """Write one value; a text that a spreadsheet would run as a formula gets a leading apostrophe.

    >>> cell("=1+1"), cell(-0.5), cell(None)
    ("'=1+1", '-0.5', '')
    """
    if value is None or (isinstance(value, float) and not numerals.is_number(value)):
        return ""
    if isinstance(value, str):
        line = printable(value.replace("\r", " ").replace("\n", " "), keep="\t")
        return f"'{line}" if value.startswith(_FORMULA) else line
    if isinstance(value, list | tuple):
        return cell(" ".join(str(part) for part in value))
    return str(value)


def to_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Write rows as comma-separated values.

    A column ``a_low`` or ``a_high`` that a row does not have is taken from its interval ``a_interval``.

    Args:
        rows: One mapping a line.
        columns: Names of the columns, in order; a row without one has an empty cell.

    Returns:
        The text, with a header line.
    """
    store = io.StringIO()
    writer = csv.writer(store, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(_value(row, column)) for column in columns])
    return store.getvalue()


def _value(row: Mapping[str, Any], column: str) -> Any:
    stem, _, end = column.rpartition("_")
    if column in row or end not in ("low", "high"):
        return row.get(column)
    ends = row.get(f"{stem}_interval")
    return None if ends is None else ends[end == "high"]
