"""The loss, or the accuracy, over the plane of two directions: shades and lines of equal value, and who stands where.

What stands in the plane is drawn where it is nearest to it: a model beside the plane has another value than the shade
under its mark, so the numbers of the models are told beside the picture, never read off it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from modelheir import checks
from modelheir.report import numerals
from modelheir.report.figures.sheet import Sample
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag
from modelheir.report.figures.trajectory import Points, axis_name, trajectory_marks, way_marks

__all__ = ["SURFACE_COLUMNS", "Surface", "loss_plane", "surface_rows", "way_key"]

SURFACE_COLUMNS = ("x", "y", "value")
_HEIGHT = 360
_BANDS = 8  #: shades
_DARKEST = 0.62  #: opacity of the shade of the worst
_FINE = 96  #: cells across, between which values are straight lines
_BAR = 12.0  #: width of the key of shades


@dataclasses.dataclass(frozen=True)
class Surface:
    """Values over a grid of a plane."""

    x: Sequence[float]  #: rising, at least two
    y: Sequence[float]  #: rising, at least two
    value: Sequence[Sequence[float | None]]  #: a row a ``y``, a value an ``x``; ``None`` where it is not finite
    quantity: str = "loss"  #: in nats, lower is better; or accuracy, a fraction, higher is better

    def __post_init__(self) -> None:
        checks.one_of(("loss", "accuracy"), quantity=self.quantity)
        shape = (len(self.y), len(self.x))
        if min(shape) < 2 or len(self.value) != shape[0] or any(len(row) != shape[1] for row in self.value):
            raise ValueError(f"a surface over {shape[1]} by {shape[0]} places, at least 2 by 2, needs a value for each")


def loss_plane(
    surface: Surface,
    *,
    path: Points = (),
    ways: Mapping[str, Sequence[Sequence[float]]] | None = None,
    shares: Sequence[float] = (),
) -> Markup:
    """Draw a surface, the training over it, and where several ways end.

    Args:
        surface: Values over the plane; the worse, the darker.
        path: ``(x, y, step)`` of each snapshot, as for :func:`~modelheir.report.figures.trajectory.trajectory`.
        ways: Name to its points ``(x, y)``, the end last; what lies outside the surface is drawn at its edge.
        shares: Of the variance along the two directions, for the names of the axes.

    Returns:
        An SVG element, ``WIDTH`` by 360 units.
    """
    x = Axis(surface.x[0], surface.x[-1], 58.0, WIDTH - 78.0, axis_name(0, shares))
    y = Axis(surface.y[0], surface.y[-1], _HEIGHT - 44.0, 30.0, axis_name(1, shares))
    levels = _levels(surface)
    marks = [Frame(x, y).draw(), *_shades(surface, levels, x, y), *_bar(surface, levels, x, y)]
    if path:
        marks.append(trajectory_marks(path, x, y, end=not ways))
    marks.append(way_marks(ways or {}, x, y))
    label = f"The {surface.quantity} over the plane of two directions, with {len(ways or {})} models"
    return picture(_HEIGHT, label, *marks, kind="loss-plane")


def surface_rows(surface: Surface) -> list[dict[str, Any]]:
    """Return the numbers that are drawn, one row a place of the grid."""
    return [
        {"x": x, "y": y, "value": value}
        for y, row in zip(surface.y, surface.value, strict=True)
        for x, value in zip(surface.x, row, strict=True)
    ]


def way_key(ways: Mapping[str, Sequence[Sequence[float]]]) -> list[Sample]:
    """Return the samples of the ways for the key of a sheet: a line where there is a path, else the mark alone."""
    return [(name, number, "path" if len(points) > 1 else "") for number, (name, points) in enumerate(ways.items())]


def _levels(surface: Surface) -> list[float]:
    """Return the values at which shades change, rising: of a loss, even in its logarithm."""
    known = [value for row in surface.value for value in row if numerals.is_number(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)  # pyright: ignore[reportArgumentType]
    if not high > low:
        return []
    if surface.quantity == "loss" and low > 0:
        first, last = math.log(low), math.log(high)
        return [math.exp(first + (last - first) * k / _BANDS) for k in range(1, _BANDS)]
    return [low + (high - low) * k / _BANDS for k in range(1, _BANDS)]


def _shades(surface: Surface, levels: Sequence[float], x: Axis, y: Axis) -> list[Markup]:
    """Draw the bands: rows of a finer grid, neighbours of one band as one rectangle."""
    fine = _finer(surface)
    bands = np.searchsorted(levels, np.nan_to_num(fine, nan=np.inf))
    rows, columns = fine.shape
    across, down = (x.end - x.start) / columns, (y.start - y.end) / rows
    marks = []
    for row in range(rows):
        edges = [0, *(np.flatnonzero(np.diff(bands[row])) + 1).tolist(), columns]
        for first, last in itertools.pairwise(edges):
            opacity = _opacity(surface, int(bands[row, first]), len(levels))
            if opacity:
                place = {"x": x.start + first * across, "width": (last - first) * across}
                place |= {"y": y.start - (row + 1) * down, "height": down}
                marks.append(tag("rect", **place, fill_opacity=opacity, class_="shade"))
    return [tag("g", *marks, shape_rendering="crispEdges")]


def _finer(surface: Surface) -> np.ndarray:
    """Return values in the middle of finer cells, ``(rows, columns)``, from the lowest ``y`` up, by bilinear means."""
    value = np.array([[np.nan if one is None else one for one in row] for row in surface.value], float)
    places = []
    for known in (surface.x, surface.y):
        ends = np.linspace(known[0], known[-1], _FINE + 1)
        places.append((ends[:-1] + ends[1:]) / 2)
    along = np.array([np.interp(places[0], surface.x, row) for row in value])
    return np.array([np.interp(places[1], surface.y, column) for column in along.T]).T


def _opacity(surface: Surface, band: int, last: int) -> float:
    share = band / last if last else 0.0
    return round(_DARKEST * (share if surface.quantity == "loss" else 1 - share), 3)


def _bar(surface: Surface, levels: Sequence[float], x: Axis, y: Axis) -> list[Markup]:
    """Draw which shade is which value, at the right."""
    left, top, bottom = x.end + 16, y.end, y.start
    write = (lambda value: numerals.percent(value, 1)) if surface.quantity == "accuracy" else numerals.decimal
    count = len(levels) + 1
    down = (bottom - top) / count
    marks = [tag("text", surface.quantity.capitalize(), x=left, y=top - 15, class_="name")]
    for band in range(count):
        place = {"x": left, "y": bottom - (band + 1) * down, "width": _BAR, "height": down}
        marks.append(tag("rect", **place, fill_opacity=_opacity(surface, band, len(levels)), class_="shade"))
    marks.append(tag("rect", x=left, y=top, width=_BAR, height=bottom - top, class_="outline"))
    for band, value in enumerate(levels, 1):
        marks.append(tag("text", write(value), x=left + _BAR + 5, y=bottom - band * down + 4, class_="tick"))
    return marks
