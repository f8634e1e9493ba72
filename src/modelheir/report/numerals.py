"""How the pages write numbers: fractions as percent, intervals in brackets, and a dash where a value is not defined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["MISSING", "count", "decimal", "interval", "is_number", "p_value", "percent", "points", "share"]

MISSING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def is_number(value: Any) -> bool:
    """Tell whether ``value`` is a finite number (not a bool, ``None``, NaN or infinity).

    >>> is_number(0.5), is_number(float("nan")), is_number(True)
    (True, False, False)
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return False
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def _signed(text: str) -> str:
    return text.replace("-", _MINUS)


def percent(value: Any, digits: int = 2) -> str:
    """Write a fraction as percent.

    >>> percent(0.01234), percent(None) == MISSING
    ('1.23%', True)
    """
    return _signed(f"{100 * value:.{digits}f}%") if is_number(value) else MISSING


def share(value: float) -> str:
    """Write a chosen fraction, such as a coverage, as short as it is.

    >>> share(0.95), share(0.999)
    ('95%', '99.9%')
    """
    return f"{100 * value:.6g}%"


def points(value: Any, digits: int = 2) -> str:
    """Write a difference of fractions in percentage points, always with its sign.

    >>> points(0.012), points(0)
    ('+1.20 pp', '0.00 pp')
    """
    if not is_number(value):
        return MISSING
    text = f"{100 * value:+.{digits}f}"
    return _signed(text if float(text) else text.lstrip("+-")) + " pp"


def interval(value: Sequence[Any] | None, digits: int = 2) -> str:
    """Write an interval of fractions in percent.

    >>> interval([0.014, 0.022]), interval(None)
    ('[1.40, 2.20]', '')
    """
    if value is None or len(value) != 2 or not all(is_number(end) for end in value):
        return ""
    low, high = (_signed(f"{100 * end:.{digits}f}") for end in value)
    return f"[{low}, {high}]"


def count(value: Any) -> str:
    """Write a whole number with separators.

    >>> count(12345)
    '12,345'
    """
    return f"{int(value):,}" if is_number(value) else MISSING


def decimal(value: Any, digits: int = 3) -> str:
    """Write a plain number with ``digits`` significant digits.

    >>> decimal(0.01234), decimal(12.5)
    ('0.0123', '12.5')
    """
    return _signed(f"{value:.{digits}g}") if is_number(value) else MISSING


def p_value(value: Any) -> str:
    """Write a p-value; the smallest ones as a bound.

    >>> p_value(0.0312), p_value(1e-9)
    ('0.031', '< 0.001')
    """
    if not is_number(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
