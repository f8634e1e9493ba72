"""The drawing paper of all figures: escaped SVG elements, linear scales, and axes with round ticks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

from markupsafe import Markup, escape

from modelheir.report import numerals

__all__ = ["WIDTH", "Axis", "Frame", "picture", "shorten", "tag", "ticks", "title"]

WIDTH = 440  #: units across every figure, so that letters keep one size from figure to figure


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """Make one element; children and attribute values are escaped unless they are markup already.

    A trailing underscore is dropped and inner ones become dashes; numbers are rounded to 2 decimals.

    >>> str(tag("text", "a < b", x=1.234, text_anchor="end"))
    '<text x="1.23" text-anchor="end">a &lt; b</text>'
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    inside = "".join(str(escape(child)) for child in children)
    return Markup("".join(parts) + (f">{inside}</{name}>" if children else "/>"))


def title(text: str) -> Markup:
    """Make the hint that a pointer or a screen reader finds on a mark."""
    return tag("title", text)


def shorten(text: str, length: int) -> str:
    """Cut ``text`` to at most ``length`` characters, with an ellipsis where something was cut.

    >>> shorten("aeroplane", 6)
    'aerop…'
    """
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def picture(height: float, label: str, *children: Any, kind: str) -> Markup:
    """Wrap drawn elements as one picture of ``WIDTH`` by ``height`` units, described by ``label``."""
    return tag(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=label,
        class_=f"figure {kind}",
    )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Choose round values within ``low`` to ``high``, roughly ``about`` of them.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough * 0.999), 10 * power)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


@dataclasses.dataclass(frozen=True)
class Axis:
    """A linear scale from values to units on the paper, with its name and the way its ticks are written."""

    low: float
    high: float
    start: float  #: where ``low`` lies on the paper
    end: float  #: where ``high`` lies on the paper
    name: str
    write: Callable[[float], str] = numerals.decimal

    def at(self, value: float) -> float:
        """Return the place of ``value``, kept within the paper."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    @staticmethod
    def around(values: Iterable[float], *, floor: float | None = None, room: float = 0.08) -> tuple[float, float]:
        """Return limits around ``values`` with some room, not below ``floor``.

        >>> Axis.around([1.0, 3.0], room=0.5)
        (0.0, 4.0)
        """
        found = [value for value in values if numerals.is_number(value)]
        low, high = (min(found), max(found)) if found else (0.0, 1.0)
        extra = (high - low) * room or abs(high) * room or 1e-3
        bottom = low - extra
        return (bottom if floor is None else max(bottom, floor)), high + extra


@dataclasses.dataclass(frozen=True)
class Frame:
    """Two axes with grid lines, tick labels and names."""

    x: Axis
    y: Axis

    def draw(self, x_ticks: int = 5, y_ticks: int = 5) -> Markup:
        """Draw the grid and the names; data goes on top."""
        x, y, marks = self.x, self.y, []
        for value in ticks(y.low, y.high, y_ticks):
            marks.append(tag("line", x1=x.start, x2=x.end, y1=y.at(value), y2=y.at(value), class_="grid"))
            marks.append(
                tag("text", y.write(value), x=x.start - 6, y=y.at(value) + 4, text_anchor="end", class_="tick")
            )
        for value in ticks(x.low, x.high, x_ticks):
            marks.append(tag("line", x1=x.at(value), x2=x.at(value), y1=y.start, y2=y.end, class_="grid"))
            marks.append(
                tag("text", x.write(value), x=x.at(value), y=y.start + 16, text_anchor="middle", class_="tick")
            )
        marks.append(tag("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis"))
        if x.name:
            marks.append(
                tag("text", x.name, x=(x.start + x.end) / 2, y=y.start + 34, text_anchor="middle", class_="name")
            )
        if y.name:
            marks.append(tag("text", y.name, x=4, y=y.end - 15, class_="name"))
        return Markup("").join(marks)
