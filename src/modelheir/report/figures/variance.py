"""How much of a trajectory its directions hold: a bar a component, and above them the share of the first so many."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.series import mark
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["VARIANCE_COLUMNS", "variance", "variance_rows"]

VARIANCE_COLUMNS = ("component", "share", "together")
_HEIGHT = 300
_WIDEST = 34.0  #: of a bar, in units
_MARKED = 40  #: with more components the line has no marks


def variance(shares: Sequence[float]) -> Markup:
    """Draw the explained variance of components.

    Args:
        shares: Of the variance along each component, fractions, the largest first; at least one.

    Returns:
        An SVG element, ``WIDTH`` by 300 units. Bars are single shares, the line is their sum so far.
    """
    rows = variance_rows(shares)
    count = len(rows)
    x = Axis(0.5, count + 0.5, 52.0, WIDTH - 16.0, "Component", _whole)
    y = Axis(0.0, 1.0, _HEIGHT - 44.0, 30.0, "Share of the variance", lambda value: numerals.percent(value, 0))
    step = (x.end - x.start) / count
    wide = min(step * 0.72, _WIDEST)
    marks = [Frame(x, y).draw(x_ticks=min(count, 8))]
    for row in rows:
        hint = title(f"component {row['component']}: {_share(row['share'])}, together {_share(row['together'])}")
        top = y.at(row["share"])
        place = {"x": x.at(row["component"]) - wide / 2, "y": top, "width": wide, "height": y.start - top}
        marks.append(tag("rect", hint, **place, class_="fill new"))
    spots = [(x.at(row["component"]), y.at(row["together"])) for row in rows]
    if count > 1:
        joined = " ".join(f"{left:.2f},{top:.2f}" for left, top in spots)
        marks.append(tag("polyline", title("the first so many together"), points=joined, class_="curve s1"))
    if count <= _MARKED:
        marks.append(tag("g", *(mark(1, *spot, size=0.6) for spot in spots), class_="mark s1"))
    marks.append(_told(rows, x, y))
    return picture(_HEIGHT, f"Explained variance of {count} components", *marks, kind="variance")


def variance_rows(shares: Sequence[float]) -> list[dict[str, Any]]:
    """Return the numbers that are drawn, one row a component, which count from 1.

    Example:
        >>> variance_rows([0.75, 0.25])[1]
        {'component': 2, 'share': 0.25, 'together': 1.0}
    """
    sums = itertools.accumulate(shares)
    return [
        {"component": number, "share": share, "together": min(together, 1.0)}
        for number, (share, together) in enumerate(zip(shares, sums, strict=True), 1)
    ]


def _told(rows: Sequence[dict[str, Any]], x: Axis, y: Axis) -> Markup:
    """Write the sum at the end of the line, below it, where bars are low."""
    last = rows[-1]
    words = f"{len(rows)} together {_share(last['together'])}" if len(rows) > 1 else _share(last["together"])
    return tag("text", words, x=x.end - 2, y=y.at(last["together"]) + 20, text_anchor="end", class_="label halo")


def _share(value: float) -> str:
    return numerals.percent(value, 1 if value >= 0.001 else 3)


def _whole(value: float) -> str:
    return "" if value % 1 else f"{value:,.0f}"
