"""Flips by class: one row a class, new mistakes to the left, mended ones to the right."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from modelheir.analysis.comparison import Group
from modelheir.report import numerals
from modelheir.report.figures.svg import WIDTH, Axis, picture, shorten, tag, ticks, title

__all__ = ["class_flips"]

_ROW, _TOP, _LEFT = 24, 40, 116


def class_flips(rows: Sequence[Group]) -> Markup:
    """Draw negative and positive flip rates of some classes, in the order given.

    Args:
        rows: The classes; a rate that is not defined has no bar.

    Returns:
        An SVG element, as tall as it has rows.
    """
    ends = [row.rates.nfr.interval[1] or 0.0 for row in rows if row.rates.nfr.interval]
    bounds = [rate.value for row in rows for rate in (row.rates.nfr, row.rates.pfr) if rate.value is not None]
    top = max([*bounds, *ends], default=0.0) or 0.01
    middle = (_LEFT + WIDTH) / 2
    left = Axis(0.0, top, middle, _LEFT + 4.0, "")
    right = Axis(0.0, top, middle, WIDTH - 14.0, "")
    bottom = _TOP + _ROW * len(rows)
    marks = [
        tag("text", "▼ newly wrong", x=middle - 8, y=14, text_anchor="end", class_="name neg"),
        tag("text", "▲ mended", x=middle + 8, y=12, class_="name pos"),
    ]
    for value in ticks(0.0, top, 2):
        for axis in (left, right):
            marks.append(tag("line", x1=axis.at(value), x2=axis.at(value), y1=_TOP - 4, y2=bottom, class_="grid"))
            text = numerals.percent(value, 0 if top > 0.04 else 1)
            if value or axis is left:
                marks.append(tag("text", text, x=axis.at(value), y=_TOP - 9, text_anchor="middle", class_="tick"))
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number
        name, lost, won = str(row.name), row.rates.nfr, row.rates.pfr
        words = f"{name}: newly wrong {numerals.percent(lost.value)}, mended {numerals.percent(won.value)}"
        marks.append(
            tag("text", title(words), shorten(name, 13), x=_LEFT - 8, y=y + 14, text_anchor="end", class_="label")
        )
        for axis, rate, kind in ((left, lost, "neg"), (right, won, "pos")):
            if rate.value is not None:
                start, end = sorted((axis.start, axis.at(rate.value)))
                bar = {"x": start, "y": y + 3.0, "width": end - start, "height": _ROW - 7.0, "rx": 2}
                marks.append(tag("rect", title(words), **bar, class_=f"fill {kind}"))
        if numerals.interval(lost.interval):
            low, high = (left.at(end) for end in lost.interval)  # type: ignore[union-attr]
            marks.append(tag("line", x1=low, x2=high, y1=y + 10.5, y2=y + 10.5, class_="whisker"))
            marks.append(tag("line", x1=high, x2=high, y1=y + 7.0, y2=y + 14.0, class_="whisker"))
    marks.append(tag("line", x1=middle, x2=middle, y1=_TOP - 4, y2=bottom, class_="axis"))
    label = f"Flips by class, {len(rows)} classes; the table beside it holds the numbers"
    return picture(bottom + 4, label, *marks, kind="class-flips")
