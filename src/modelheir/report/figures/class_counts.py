"""Images chosen of each class: a bar a class, and a line where every bar would end if the pool had enough."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.svg import WIDTH, Axis, picture, shorten, tag, ticks, title

__all__ = ["class_counts"]

_ROW, _TOP, _LEFT = 22, 30, 116


def class_counts(names: Sequence[str], chosen: Sequence[int], *, wanted: int) -> Markup:
    """Draw how many images each class has.

    Args:
        names: The classes, in the order of the rows.
        chosen: Images of each, at least 0.
        wanted: Images that each was to have, at least 1.

    Returns:
        An SVG element, as tall as it has rows.
    """
    top = max([wanted, *chosen])
    axis = Axis(0.0, float(top), float(_LEFT), WIDTH - 52.0, "")
    bottom = _TOP + _ROW * len(names)
    marks = []
    for value in ticks(0.0, float(top), 4):
        if float(value).is_integer():
            marks.append(tag("line", x1=axis.at(value), x2=axis.at(value), y1=_TOP - 4, y2=bottom, class_="grid"))
            text = numerals.count(int(value))
            marks.append(tag("text", text, x=axis.at(value), y=_TOP - 9, text_anchor="middle", class_="tick"))
    for number, (name, count) in enumerate(zip(names, chosen, strict=True)):
        y = _TOP + _ROW * number
        words = f"{name}: {numerals.count(count)} of {numerals.count(wanted)}"
        label = {"x": _LEFT - 8, "y": y + 14, "text_anchor": "end", "class_": "label"}
        marks.append(tag("text", title(words), shorten(name, 13), **label))
        bar = {"x": axis.start, "y": y + 3.0, "width": axis.at(count) - axis.start, "height": _ROW - 7.0, "rx": 2}
        marks.append(tag("rect", title(words), **bar, class_=f"fill {'new' if count >= wanted else 'neg'}"))
        marks.append(tag("text", numerals.count(count), x=axis.at(count) + 5, y=y + 14, class_="tick"))
    marks.append(tag("line", x1=axis.at(wanted), x2=axis.at(wanted), y1=_TOP - 4, y2=bottom, class_="reference"))
    marks.append(tag("line", x1=axis.start, x2=axis.start, y1=_TOP - 4, y2=bottom, class_="axis"))
    label = f"Images chosen of {len(names)} classes; the table beside it holds the numbers"
    return picture(bottom + 4, label, *marks, kind="class-counts")
