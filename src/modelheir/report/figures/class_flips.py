"""Flips by class: one row a class, new mistakes to the left, mended ones to the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.svg import WIDTH, Axis, picture, shorten, tag, ticks, title

__all__ = ["class_flips"]

_ROW, _TOP, _LEFT = 24, 40, 116


def class_flips(rows: Sequence[dict[str, Any]]) -> Markup:
    """Draw negative and positive flip rates of some classes, in the order given.

    Args:
        rows: Dicts with ``name``, ``nfr`` and ``pfr`` (fractions of the class, ``None`` where not defined) and,
            when known, ``nfr_interval`` (two fractions).

    Returns:
        An SVG element, as tall as it has rows.
    """
    ends = [row["nfr_interval"][1] for row in rows if numerals.interval(row.get("nfr_interval"))]
    bounds = [row[key] for row in rows for key in ("nfr", "pfr") if numerals.is_number(row.get(key))]
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
        words = (
            f"{row['name']}: newly wrong {numerals.percent(row.get('nfr'))}, mended {numerals.percent(row.get('pfr'))}"
        )
        marks.append(
            tag(
                "text", title(words), shorten(row["name"], 13), x=_LEFT - 8, y=y + 14, text_anchor="end", class_="label"
            )
        )
        for axis, key, kind in ((left, "nfr", "neg"), (right, "pfr", "pos")):
            if numerals.is_number(row.get(key)):
                start, end = sorted((axis.start, axis.at(row[key])))
                bar = {"x": start, "y": y + 3.0, "width": end - start, "height": _ROW - 7.0, "rx": 2}
                marks.append(tag("rect", title(words), **bar, class_=f"fill {kind}"))
        if numerals.interval(row.get("nfr_interval")):
            low, high = (left.at(end) for end in row["nfr_interval"])
            marks.append(tag("line", x1=low, x2=high, y1=y + 10.5, y2=y + 10.5, class_="whisker"))
            marks.append(tag("line", x1=high, x2=high, y1=y + 7.0, y2=y + 14.0, class_="whisker"))
    marks.append(tag("line", x1=middle, x2=middle, y1=_TOP - 4, y2=bottom, class_="axis"))
    label = f"Flips by class, {len(rows)} classes; the table beside it holds the numbers"
    return picture(bottom + 4, label, *marks, kind="class-flips")
