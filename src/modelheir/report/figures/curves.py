"""Training curves: one small frame a quantity, one line a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["curves"]

_HEIGHT = 230


def curves(
    quantity: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    order: Sequence[str],
    fraction: bool = False,
    over: str = "Epoch",
) -> Markup:
    """Draw one quantity of several runs.

    Args:
        quantity: What the values are, shown as the name of the upright axis.
        lines: Run name to ``(epoch, value)`` pairs, in order.
        order: All run names of the page; a run has the same colour and dashes in every frame.
        fraction: The values are fractions, to be written as percent.
        over: What the other axis counts.

    Returns:
        An SVG element.
    """
    values = [value for line in lines.values() for _, value in line]
    places = [place for line in lines.values() for place, _ in line]
    write = (lambda value: numerals.percent(value, 1)) if fraction else numerals.decimal
    floor = 0.0 if min(values, default=0.0) >= 0 else None
    x = Axis(min(places, default=0.0), max(places, default=1.0), 58.0, WIDTH - 16.0, over, _whole)
    y = Axis(*Axis.around(values, floor=floor), _HEIGHT - 44.0, 30.0, quantity, write)
    marks = [Frame(x, y).draw(y_ticks=4)]
    for name, line in lines.items():
        series = f"s{order.index(name) % 8}"
        hint = title(f"{name}: {write(line[-1][1])} at the end")
        if len(line) == 1:
            marks.append(tag("circle", hint, cx=x.at(line[0][0]), cy=y.at(line[0][1]), r=4, class_=f"dot {series}"))
        else:
            spots = " ".join(f"{x.at(place):.2f},{y.at(value):.2f}" for place, value in line)
            marks.append(tag("polyline", hint, points=spots, class_=f"curve {series}"))
    return picture(_HEIGHT, f"{quantity} over {over.lower()} of {len(lines)} runs", *marks, kind="curves")


def _whole(value: float) -> str:
    """Write whole epochs only."""
    return "" if value % 1 else f"{value:,.0f}"
