"""Paths of models through a plane, from time step to time step: of weights between three models, or of likeness.

A single model is a mark. A method that ends in another model than it began with is a line with an arrow, its mark at
the end and a dot at every step before; the oracle is a cross in a ring.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.series import mark, style
from modelheir.report.figures.sheet import Sample
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["LIKENESS", "PATH_COLUMNS", "WEIGHTS", "Path", "path_key", "path_rows", "paths"]

#: names of the axes, and where the oracle stands
WEIGHTS = ("Along the historical shift", "Along the want of data", (0.0, 0.0))
LIKENESS = ("Correlation with the oracle, directions of 50 %", "Correlation with the oracle, of 90 %", (1.0, 1.0))
PATH_COLUMNS = ("method", "panel", "step", "x", "y")
_HEIGHT = 330
_ARROW = 9.0  #: units


@dataclasses.dataclass(frozen=True)
class Path:
    """Where the models of one method stand."""

    name: str
    points: Sequence[tuple[float, float]]  #: one a model, in the order of time; one that is not defined is left out


def paths(methods: Sequence[Path], plane: tuple[str, str, tuple[float, float]]) -> Markup:
    """Draw the paths of several methods.

    Args:
        methods: At most twelve can be told apart in one ink.
        plane: ``WEIGHTS`` or ``LIKENESS``: names of the axes and place of the oracle.

    Returns:
        An SVG element, ``WIDTH`` by 330 units.
    """
    across, up, oracle = plane
    points = [point for method in methods for point in _defined(method)]
    x = Axis(*Axis.around([oracle[0], *(p[0] for p in points)]), 58.0, WIDTH - 18.0, across)
    y = Axis(*Axis.around([oracle[1], *(p[1] for p in points)]), _HEIGHT - 44.0, 30.0, up)
    marks = [Frame(x, y).draw(), *_oracle(x.at(oracle[0]), y.at(oracle[1]))]
    for number, method in enumerate(methods):
        spots = [(x.at(a), y.at(b)) for a, b in _defined(method)]
        if not spots:
            continue
        told = ", ".join(f"({numerals.decimal(a)}, {numerals.decimal(b)})" for a, b in _defined(method))
        hint, kind = title(f"{method.name}: {told}"), style(number)
        if len(spots) > 1:
            joined = " ".join(f"{left:.2f},{top:.2f}" for left, top in spots)
            marks.append(tag("polyline", hint, points=joined, class_=f"curve {kind}"))
            dots = [tag("circle", cx=left, cy=top, r=2.6, class_="dot") for left, top in spots[:-1]]
            marks.append(tag("g", *dots, *_arrow(*spots[-2], *spots[-1]), class_=kind))
        marks.append(tag("g", hint, mark(number, *spots[-1]), class_=f"mark {kind}"))
    return picture(_HEIGHT, f"Paths of {len(methods)} methods; {across}, {up}", *marks, kind="paths")


def path_key(methods: Sequence[Path]) -> list[Sample]:
    """Return the samples of the methods for the key of a sheet: a line where there is a path, else the mark alone."""
    return [(m.name, number, "path" if len(m.points) > 1 else "") for number, m in enumerate(methods)]


def path_rows(methods: Sequence[Path], *, panel: str = "") -> list[dict[str, Any]]:
    """Return the numbers that are drawn, one row a model; ``step`` counts from 0."""
    return [
        {"method": method.name, "panel": panel, "step": step, "x": x, "y": y}
        for method in methods
        for step, (x, y) in enumerate(method.points)
    ]


def _defined(method: Path) -> list[tuple[float, float]]:
    return [point for point in method.points if all(map(numerals.is_number, point))]


def _oracle(left: float, top: float) -> list[Markup]:
    lines = ((-5, -5, 5, 5), (-5, 5, 5, -5))
    cross = [tag("line", x1=left + a, y1=top + b, x2=left + c, y2=top + d, class_="hollow") for a, b, c, d in lines]
    ring = tag("circle", cx=left, cy=top, r=9.0, class_="whisker", fill="none")
    return [tag("g", title("oracle"), ring, *cross, class_="chosen")]


def _arrow(x1: float, y1: float, x2: float, y2: float) -> list[Markup]:
    """Draw the head of an arrow in the middle of a piece, so that no mark covers it; short pieces have none."""
    length = math.hypot(x2 - x1, y2 - y1)
    if length < 2 * _ARROW:
        return []
    a, b = (x2 - x1) / length, (y2 - y1) / length
    tip = ((x1 + x2) / 2 + a * _ARROW / 2, (y1 + y2) / 2 + b * _ARROW / 2)
    sides = ((tip[0] - a * _ARROW + s * b * 4.2, tip[1] - b * _ARROW - s * a * 4.2) for s in (1, -1))
    points = " ".join(f"{left:.2f},{top:.2f}" for left, top in (tip, *sides))
    return [tag("polygon", points=points, class_="head")]
