"""Series: twelve ways to draw a line that differ in colour, dashes and marks: print and every eye can tell them apart.

Colours and dashes come from the style sheet (``s0`` to ``s11``), marks are drawn here. Beyond twelve series, colours
and dashes come again with other marks.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from modelheir.report.figures.svg import tag

__all__ = ["STYLES", "key", "mark", "style"]

STYLES = 12  #: colours, dashes and marks, as many of each

_CORNERS = {
    "triangle": ((0, -6), (6, 5), (-6, 5)),
    "diamond": ((0, -6.5), (6.5, 0), (0, 6.5), (-6.5, 0)),
    "drop": ((0, 6), (6, -5), (-6, -5)),
    "left": ((-6, 0), (5, 6), (5, -6)),
}
_STROKES = {
    "cross": ((-4.5, -4.5, 4.5, 4.5), (-4.5, 4.5, 4.5, -4.5)),
    "plus": ((-5.5, 0, 5.5, 0), (0, -5.5, 0, 5.5)),
}
#: shape and whether it is filled; neighbours differ most
_MARKS = (
    *(("circle", True), ("square", False), ("triangle", True), ("diamond", False), ("cross", True), ("circle", False)),
    *(("square", True), ("drop", False), ("diamond", True), ("plus", True), ("triangle", False), ("left", True)),
)


def style(number: int) -> str:
    """Return the class that gives series ``number`` its colour and dashes.

    >>> style(3), style(14)
    ('s3', 's2')
    """
    return f"s{number % STYLES}"


def mark(number: int, x: float, y: float, *, size: float = 1.0) -> Markup:
    """Draw the mark of series ``number`` around ``(x, y)``, about 11 units wide at ``size`` 1."""
    shape, filled = _MARKS[(number + 5 * (number // STYLES)) % STYLES]
    kind = "solid" if filled else "hollow"
    if shape == "circle":
        return tag("circle", cx=x, cy=y, r=5.0 * size, class_=kind)
    if shape == "square":
        half = 4.5 * size
        return tag("rect", x=x - half, y=y - half, width=2 * half, height=2 * half, class_=kind)
    if shape in _STROKES:
        lines = [
            tag("line", x1=x + a * size, y1=y + b * size, x2=x + c * size, y2=y + d * size, class_="hollow")
            for a, b, c, d in _STROKES[shape]
        ]
        return Markup("").join(lines)
    corners = " ".join(f"{x + across * size:.2f},{y + down * size:.2f}" for across, down in _CORNERS[shape])
    return tag("polygon", points=corners, class_=kind)


def key(names: Sequence[str]) -> list[tuple[str, Markup]]:
    """Return each name with a sample of its line, in order."""
    found = []
    for number, name in enumerate(names):
        line = tag("line", x1=1, y1=7, x2=45, y2=7, class_=f"curve {style(number)}")
        spot = tag("g", mark(number, 23, 7, size=0.8), class_=f"mark {style(number)}")
        found.append((name, tag("svg", line, spot, viewBox="0 0 46 14", aria_hidden="true")))
    return found
