"""What a penalty does, as that between neighbouring steps: a quantity over its strength, on an axis of decades.

A strength of 0 has no place among decades: it is drawn one decade left of the smallest, behind a break in the axis.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from modelheir import checks
from modelheir.report import numerals
from modelheir.report.figures.series import mark, style
from modelheir.report.figures.sheet import Sample
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["PENALTY_COLUMNS", "PenaltyLine", "penalty", "penalty_key", "penalty_rows"]

PENALTY_COLUMNS = ("line", "panel", "strength", "value", "value_low", "value_high")
_HEIGHT = 300


@dataclasses.dataclass(frozen=True)
class PenaltyLine:
    """A quantity at some strengths."""

    name: str
    points: Sequence[tuple[float, float]]  #: strength ``>= 0``, rising, and value
    intervals: Sequence[tuple[float, float] | None] = ()  #: of each value over seeds; empty where there are none


def penalty(
    lines: Sequence[PenaltyLine],
    *,
    quantity: str,
    over: str = "strength of the penalty",
    decades: bool = False,
    levels: Mapping[str, float] | None = None,
) -> Markup:
    """Draw a quantity over the strength of a penalty.

    Args:
        lines: One or several; values above 0 where ``decades``, others have no place there and are left out.
        quantity: Name of the upright axis; fractions are written as percent where it is not of ``decades``.
        over: Name of the strength.
        decades: Whether the upright axis is one of decades too, as for the change of weights.
        levels: Name -> a value to compare with, drawn across, such as training on the final step alone.

    Returns:
        An SVG element, ``WIDTH`` by 300 units.

    Raises:
        ValueError: If a strength is below 0, or none is above it.
    """
    levels = dict(levels or {})
    strengths = [strength for line in lines for strength, _ in line.points]
    checks.at_least(0, weakest=min(strengths, default=0.0))
    checks.above(0, strongest=max(strengths, default=0.0))
    smallest = min(s for s in strengths if s > 0)
    zero = math.floor(math.log10(smallest) + 1e-9) - 1.0
    right = math.log10(max(strengths))
    x = Axis(zero - 0.15, right + 0.15, 62.0, WIDTH - 18.0, over.capitalize(), _decade)
    up = _log if decades else (lambda value: value)
    shown = [PenaltyLine(line.name, *_kept(line, decades)) for line in lines]
    values = [up(v) for line in shown for _, v in line.points]
    values += [up(end) for line in shown for ends in line.intervals if ends for end in ends if not decades or end > 0]
    values += [up(v) for v in levels.values() if not decades or v > 0]
    write = _decade if decades else (lambda value: numerals.percent(value, 0))
    y = Axis(*Axis.around(values), _HEIGHT - 44.0, 30.0, quantity, write)
    marks, words = [_frame(x, y, zero, any(s == 0 for s in strengths))], []
    for place, (name, value) in enumerate(levels.items()):
        if not decades or value > 0:
            height = y.at(up(value))
            marks.append(tag("line", x1=x.start, x2=x.end, y1=height, y2=height, class_="reference"))
            side = {"x": x.end - 2, "text_anchor": "end"} if place % 2 == 0 else {"x": x.start + 4}
            words.append(tag("text", name, y=height - 4, class_="label halo", **side))
    for number, line in enumerate(shown):
        spots = [(x.at(_log(s) if s > 0 else zero), y.at(up(v))) for s, v in line.points]
        hint = title(line.name)
        joined = " ".join(f"{left:.2f},{top:.2f}" for left, top in spots)
        marks.append(tag("polyline", hint, points=joined, class_=f"curve {style(number)}"))
        for place, (left, top) in enumerate(spots):
            ends = line.intervals[place] if line.intervals else None
            if ends and (not decades or ends[0] > 0):
                bar = {"x1": left, "x2": left, "y1": y.at(up(ends[0])), "y2": y.at(up(ends[1]))}
                marks.append(tag("g", tag("line", **bar, class_="whisker"), class_=style(number)))
            marks.append(tag("g", hint, mark(number, left, top, size=0.9), class_=f"mark {style(number)}"))
    return picture(_HEIGHT, f"{quantity} over the {over}", *marks, *words, kind="penalty")


def penalty_key(lines: Sequence[PenaltyLine]) -> list[Sample]:
    """Return the samples of the lines for the key of a sheet."""
    return [(line.name, number, "line") for number, line in enumerate(lines)]


def penalty_rows(lines: Sequence[PenaltyLine], *, panel: str = "") -> list[dict[str, Any]]:
    """Return the numbers that are drawn, one row a point."""
    return [
        {"line": line.name, "panel": panel, "strength": strength, "value": value, "value_interval": ends}
        for line in lines
        for (strength, value), ends in zip(line.points, line.intervals or [None] * len(line.points), strict=True)
    ]


def _kept(line: PenaltyLine, decades: bool) -> tuple[list[tuple[float, float]], list[tuple[float, float] | None]]:
    intervals = line.intervals or [None] * len(line.points)
    kept = [
        (point, ends)
        for point, ends in zip(line.points, intervals, strict=True)
        if numerals.is_number(point[1]) and (not decades or point[1] > 0)
    ]
    return [point for point, _ in kept], [ends for _, ends in kept]


def _frame(x: Axis, y: Axis, zero: float, with_zero: bool) -> Markup:
    """Draw whole decades only; where the axis is broken stands 0."""
    marks = [Frame(Axis(x.low, x.high, x.start, x.end, x.name, lambda _: ""), y).draw(x_ticks=1)]
    first = math.ceil(x.low + 1 - 1e-9) if with_zero else math.ceil(zero + 1 - 1e-9)
    for decade in range(first, math.floor(x.high + 1e-9) + 1):
        if decade > zero:
            left = x.at(float(decade))
            marks.append(tag("line", x1=left, x2=left, y1=y.start, y2=y.end, class_="grid"))
            marks.append(
                tag("text", _decade(float(decade)), x=left, y=y.start + 16, text_anchor="middle", class_="tick")
            )
    if with_zero:
        left, broken = x.at(zero), x.at(zero + 0.5)
        marks.append(tag("text", "0", x=left, y=y.start + 16, text_anchor="middle", class_="tick"))
        for shift in (-3.0, 3.0):
            cut = {"x1": broken + shift - 3, "x2": broken + shift + 3, "y1": y.start + 6, "y2": y.start - 6}
            marks.append(tag("line", **cut, class_="axis"))
    return Markup("").join(marks)


def _log(value: float) -> float:
    return math.log10(value)


def _decade(value: float) -> str:
    """Write a power of ten; nothing between two.

    >>> _decade(-2.0), _decade(4.0), _decade(0.5)
    ('0.01', '10,000', '')
    """
    if abs(value - round(value)) > 1e-6:
        return ""
    return f"{10 ** round(value):,}" if value > -0.5 else f"{10.0 ** round(value):g}"
