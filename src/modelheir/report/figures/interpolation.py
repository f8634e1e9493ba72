"""Accuracy on the line between two models: a dip shows a barrier, a flat line one basin."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from modelheir import checks
from modelheir.report import numerals
from modelheir.report.figures.series import mark, style
from modelheir.report.figures.sheet import Sample
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["BASIN_COLUMNS", "STARTS", "BasinLine", "basin_key", "basin_rows", "interpolation"]

#: where a line starts -> what its dashes are called by; by the family of the start as in the published plots
STARTS = {"history": "f0", "robust": "f1", "sequential": "f2", "joint": "f3"}
BASIN_COLUMNS = ("method", "start", "v", "accuracy", "accuracy_low", "accuracy_high")
_HEIGHT = 300
_SPOTS = 6  #: marks on a line


@dataclasses.dataclass(frozen=True)
class BasinLine:
    """The accuracies between the start and the end of a method."""

    name: str
    start: str  #: a key of STARTS: pooled history, IRM or DRO on it, the step before, the joint model's step before
    points: Sequence[tuple[float, float]]  #: ``v`` from 0 to 1 in order, and accuracy, a fraction
    intervals: Sequence[tuple[float, float] | None] = ()  #: of each accuracy over seeds; empty where there are none


def interpolation(lines: Sequence[BasinLine], *, limits: tuple[float, float] | None = None) -> Markup:
    """Draw the lines of several methods; dashes tell the kind of start, colour and marks the method.

    Args:
        lines: At most twelve can be told apart in one ink.
        limits: Lowest and highest accuracy of the upright axis, where several figures share it.

    Returns:
        An SVG element, ``WIDTH`` by 300 units.
    """
    for line in lines:
        checks.one_of(STARTS, start=line.start)
    values = [value for line in lines for _, value in line.points]
    values += [end for line in lines for ends in line.intervals if ends for end in ends]
    low, high = limits or Axis.around(values, floor=0.0)
    x = Axis(0.0, 1.0, 52.0, WIDTH - 16.0, "v: from the start (0) to the end (1)", lambda value: f"{value:g}")
    y = Axis(low, high, _HEIGHT - 44.0, 30.0, "Test accuracy", lambda value: numerals.percent(value, 0))
    marks = [Frame(x, y).draw()]
    for number, line in enumerate(lines):
        spots = [(x.at(v), y.at(value)) for v, value in line.points]
        if not spots:
            continue
        ends = numerals.percent(line.points[0][1], 1), numerals.percent(line.points[-1][1], 1)
        hint = title(f"{line.name}: {ends[0]} at the start, {ends[1]} at the end")
        points = " ".join(f"{left:.2f},{top:.2f}" for left, top in spots)
        marks.append(tag("polyline", hint, points=points, class_=f"curve {style(number)} {STARTS[line.start]}"))
        for place in _places(len(spots), number):
            left, top = spots[place]
            found = line.intervals[place] if line.intervals else None
            if found:
                bar = {"x1": left, "x2": left, "y1": y.at(found[0]), "y2": y.at(found[1])}
                marks.append(tag("g", tag("line", **bar, class_="whisker"), class_=style(number)))
            marks.append(tag("g", hint, mark(number, left, top, size=0.8), class_=f"mark {style(number)}"))
    return picture(_HEIGHT, f"Accuracy between start and end of {len(lines)} methods", *marks, kind="interpolation")


def basin_key(lines: Sequence[BasinLine]) -> list[Sample]:
    """Return the samples of the lines for the key of a sheet."""
    return [(f"{line.name} ({line.start})", number, STARTS[line.start]) for number, line in enumerate(lines)]


def basin_rows(lines: Sequence[BasinLine]) -> list[dict[str, Any]]:
    """Return the numbers that are drawn, one row a point."""
    return [
        {"method": line.name, "start": line.start, "v": v, "accuracy": value, "accuracy_interval": ends}
        for line in lines
        for (v, value), ends in zip(line.points, line.intervals or [None] * len(line.points), strict=True)
    ]


def _places(count: int, number: int) -> list[int]:
    """Choose points that get a mark, at other places on each line, both ends left to see.

    >>> _places(101, 0), _places(2, 0)
    ([6, 23, 39, 56, 73, 89], [0, 1])
    """
    if count <= _SPOTS:
        return list(range(count))
    shift = (number * 5 % 12 + 5) / 13
    return sorted({min(count - 1, int((k + shift) / _SPOTS * (count - 1))) for k in range(_SPOTS)})
