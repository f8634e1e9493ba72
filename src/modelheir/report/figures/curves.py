"""Training curves: one small frame a quantity, one line a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.series import mark, style
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["curves"]

_HEIGHT = 230
_APART = 70  #: units between the marks of a line


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
        order: All run names of the page; a run has the same colour, dashes and marks in every frame.
        fraction: The values are fractions, to be written as percent.
        over: What the other axis counts.

    Returns:
        An SVG element.
    """
    values = [value for line in lines.values() for _, value in line]
    places = [place for line in lines.values() for place, _ in line]
    write = (lambda value: numerals.percent(value, 1)) if fraction else numerals.decimal
    floor = 0.0 if min(values, default=0.0) >= 0 else None
    x = Axis(min(places, default=0.0), max(places, default=1.0), 58.0, WIDTH - 22.0, over, _whole)
    y = Axis(*Axis.around(values, floor=floor), _HEIGHT - 44.0, 30.0, quantity, write)
    marks = [Frame(x, y).draw(y_ticks=4)]
    for name, line in lines.items():
        number = order.index(name)
        hint = title(f"{name}: {write(line[-1][1])} at the end")
        spots = [(x.at(place), y.at(value)) for place, value in line]
        if len(line) > 1:
            points = " ".join(f"{left:.2f},{top:.2f}" for left, top in spots)
            marks.append(tag("polyline", hint, points=points, class_=f"curve {style(number)}"))
        marks.append(
            tag(
                "g",
                hint,
                *(mark(number, *spots[k], size=0.7) for k in _marked(spots, number)),
                class_=f"mark {style(number)}",
            )
        )
    return picture(_HEIGHT, f"{quantity} over {over.lower()} of {len(lines)} runs", *marks, kind="curves")


def _whole(value: float) -> str:
    """Write whole epochs only."""
    return "" if value % 1 else f"{value:,.0f}"


def _marked(spots: Sequence[tuple[float, float]], number: int) -> list[int]:
    """Choose the points that get a mark: the last one, and some before it, at other places on each of four lines.

    >>> _marked([(10.0 * k, 0.0) for k in range(30)], 0)
    [1, 8, 15, 22, 29]
    """
    last = len(spots) - 1
    if not last:
        return [0]
    step = max(1, round(_APART * last / max(spots[-1][0] - spots[0][0], 1.0)))
    return sorted({last, *range(last - number % 4 * step // 4, 0, -step)})
