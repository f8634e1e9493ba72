"""Where the weights went: snapshots of one training in the two directions along which they moved most.

Points grow darker with the steps; a ring is the first one, a filled diamond the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.series import mark, style
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["TRAJECTORY_COLUMNS", "axis_name", "trajectory", "trajectory_marks", "trajectory_rows", "way_marks"]

TRAJECTORY_COLUMNS = ("step", "x", "y")
_HEIGHT = 330
_PALEST = 0.3  #: opacity of the first point
_LETTER = 6.6  #: units of a letter, on average

Points = Sequence[Sequence[float]]  #: ``(x, y, step)`` of each snapshot, in order


def trajectory(
    path: Points, *, ways: Mapping[str, Sequence[Sequence[float]]] | None = None, shares: Sequence[float] = ()
) -> Markup:
    """Draw a training in its first two components.

    Args:
        path: ``(x, y, step)`` of each snapshot, in the order of the training; at least one.
        ways: Name to its points ``(x, y)``, the end last.
        shares: Of the variance along the two, fractions, for the names of the axes; absent leaves them out.

    Returns:
        An SVG element, ``WIDTH`` by 330 units. The two axes have scales of their own.
    """
    ways = ways or {}
    places = [*path, *(one for points in ways.values() for one in points)]
    x = Axis(*Axis.around((one[0] for one in places), room=0.13), 58.0, WIDTH - 22.0, axis_name(0, shares))
    y = Axis(*Axis.around((one[1] for one in places), room=0.1), _HEIGHT - 44.0, 30.0, axis_name(1, shares))
    drawn = trajectory_marks(path, x, y, end=not ways) + way_marks(ways, x, y)
    label = f"The way of the weights over {len(path)} snapshots in their first two components"
    return picture(_HEIGHT, label, Frame(x, y).draw(), drawn, kind="trajectory")


def axis_name(number: int, shares: Sequence[float]) -> str:
    """Return the name of the axis of a component, which counts from 0, with its share of the variance.

    >>> axis_name(0, [0.714]), axis_name(1, [])
    ('Component 1 (71% of the variance)', 'Component 2')
    """
    name = f"Component {number + 1}"
    return f"{name} ({numerals.percent(shares[number], 0)} of the variance)" if number < len(shares) else name


def trajectory_marks(path: Points, x: Axis, y: Axis, *, end: bool = True) -> Markup:
    """Draw the snapshots on two axes: a line through all, a point a snapshot, marks and names of the start and the end.

    Args:
        path: As for :func:`trajectory`.
        x: The axis across.
        y: The axis up.
        end: Whether the end has a mark larger than a point.
    """
    spots = [(x.at(one[0]), y.at(one[1])) for one in path]
    hints = [title(f"step {numerals.count(one[2])}: ({_place(one[0])}, {_place(one[1])})") for one in path]
    marks = []
    if len(spots) > 1:
        marks.append(tag("polyline", points=" ".join(f"{a:.2f},{b:.2f}" for a, b in spots), class_="front"))
    for number, (left, top) in enumerate(spots[1 : -1 if end else None], 1):
        opacity = _PALEST + (1 - _PALEST) * number / (len(spots) - 1)
        marks.append(tag("circle", hints[number], cx=left, cy=top, r=3.2, opacity=opacity, class_="dot"))
    marks.append(tag("g", hints[0], mark(5, *spots[0]), class_="mark"))
    marks.append(_name("start", *spots[0], *spots[min(1, len(spots) - 1)], x, y))
    if len(spots) > 1:
        marks += [tag("g", hints[-1], mark(8, *spots[-1]), class_="mark")] if end else []
        marks.append(_name("end", *spots[-1], *spots[-2], x, y))
    return tag("g", *marks, class_="chosen")


def way_marks(ways: Mapping[str, Sequence[Sequence[float]]], x: Axis, y: Axis) -> Markup:
    """Draw the ways: a mark at the end of each, and a line to it where it came by several points."""
    marks = []
    for number, (name, points) in enumerate(ways.items()):
        spots = [(x.at(one[0]), y.at(one[1])) for one in points]
        hint, kind = title(f"{name}: ({_place(points[-1][0])}, {_place(points[-1][1])})"), style(number)
        if len(spots) > 1:
            joined = " ".join(f"{left:.2f},{top:.2f}" for left, top in spots)
            marks.append(tag("polyline", hint, points=joined, class_=f"curve {kind}"))
        marks.append(tag("g", hint, mark(number, *spots[-1]), class_=f"mark {kind}"))
    return Markup("").join(marks)


def trajectory_rows(path: Points) -> list[dict[str, Any]]:
    """Return the numbers that are drawn, one row a snapshot.

    >>> trajectory_rows([(0.5, -1.0, 20)])
    [{'step': 20, 'x': 0.5, 'y': -1.0}]
    """
    return [{"step": int(step), "x": x, "y": y} for x, y, step in path]


def _name(text: str, left: float, top: float, other: float, below: float, x: Axis, y: Axis) -> Markup:
    """Write the name of an end on the side where its neighbour is not, and within the frame."""
    wide = _LETTER * len(text)
    right = left > other or (left == other and left + wide + 12 < x.end)
    if right and left + wide + 12 > x.end:
        right = False
    elif not right and left - wide - 12 < x.start:
        right = True
    up = top - 9 if top <= below else top + 17
    up = min(max(up, y.end + 12), y.start - 6)
    anchor, shift = ("start", 9) if right else ("end", -9)
    return tag("text", text, x=left + shift, y=up, text_anchor=anchor, class_="label halo")


def _place(value: float) -> str:
    return numerals.decimal(value)
