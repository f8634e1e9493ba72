"""How large the shifts of a sequence are: a row a transition, a mark for each kind of shift, a line where none is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.series import mark, style
from modelheir.report.figures.svg import WIDTH, Axis, picture, shorten, tag, ticks, title

__all__ = ["SHIFT_COLUMNS", "shift_dots", "shift_rows"]

SHIFT_COLUMNS = ("transition", "covariate", "conditional")
_ROW, _TOP, _LEFT = 36, 62, 190
_KINDS = ("covariate", "conditional")

Rows = Sequence[tuple[str, tuple[float, float]]]  #: name of a transition, and its covariate and conditional ratio


def shift_dots(rows: Rows, *, name: str) -> Markup:
    """Draw ratios of shifts.

    Args:
        rows: A transition each; a ratio that is not defined says so in the place of its mark.
        name: What the ratios are over, shown above the axis; 1 is no more than that.

    Returns:
        An SVG element, as tall as it has rows.
    """
    values = [value for _, pair in rows for value in pair if numerals.is_number(value)]
    axis = Axis(0.0, max([1.0, *values]) * 1.06, float(_LEFT), WIDTH - 16.0, name)
    bottom = _TOP + _ROW * len(rows)
    marks = [tag("text", axis.name, x=4, y=14, class_="name")]
    for number, kind in enumerate(_KINDS):
        x = 10.0 + 130 * number
        marks.append(tag("g", mark(number, x, 31, size=0.9), class_=f"mark {style(number)}"))
        marks.append(tag("text", kind, x=x + 12, y=35, class_="legend"))
    for value in ticks(axis.low, axis.high, 5):
        marks.append(tag("line", x1=axis.at(value), x2=axis.at(value), y1=_TOP - 4, y2=bottom, class_="grid"))
        text = numerals.decimal(value)
        marks.append(tag("text", text, x=axis.at(value), y=_TOP - 9, text_anchor="middle", class_="tick"))
    marks.append(tag("line", x1=axis.at(1.0), x2=axis.at(1.0), y1=_TOP - 4, y2=bottom, class_="reference"))
    for place, (transition, pair) in enumerate(rows):
        y = _TOP + _ROW * (place + 0.5)
        told = ", ".join(f"{kind} {numerals.decimal(v)}" for kind, v in zip(_KINDS, pair, strict=True))
        hint = title(f"{transition}: {told}")
        label = {"x": _LEFT - 10, "y": y + 4, "text_anchor": "end", "class_": "label"}
        marks.append(tag("text", hint, shorten(transition, 28), **label))
        for number, value in enumerate(pair):
            height = y + (-8.0, 8.0)[number]  # the two never hide each other
            if not numerals.is_number(value):
                words = f"{_KINDS[number]} not defined"
                marks.append(tag("text", words, x=axis.start + 6, y=height + 4, class_="tick"))
            else:
                stem = {"x1": axis.start, "x2": axis.at(value), "y1": height, "y2": height}
                marks.append(tag("line", **stem, class_="leader"))
                marks.append(
                    tag("g", hint, mark(number, axis.at(value), height, size=0.8), class_=f"mark {style(number)}")
                )
    marks.append(tag("line", x1=axis.start, x2=axis.start, y1=_TOP - 4, y2=bottom, class_="axis"))
    return picture(bottom + 6, f"{name} of {len(rows)} transitions", *marks, kind="shifts")


def shift_rows(rows: Rows) -> list[dict[str, Any]]:
    """Return the numbers that are drawn, one row a transition."""
    return [{"transition": name, **dict(zip(_KINDS, pair, strict=True))} for name, pair in rows]
