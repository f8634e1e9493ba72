"""Several figures on one sheet: titled panels in columns, with one key for all of them below."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from modelheir.report.figures.series import mark, style
from modelheir.report.figures.svg import WIDTH, shorten, tag, title

__all__ = ["Sample", "sheet"]

_GAP, _TITLE, _KEY = 16, 26, 22
_CHARACTER = 6.8  #: units that a letter of the key takes, on average

Sample = tuple[str, int, str]  #: name in the key, number of the series, and further classes of its line ("" draws none)


def sheet(
    panels: Sequence[tuple[str, Markup]], *, height: float, columns: int, key: Sequence[Sample] = (), label: str
) -> Markup:
    """Put figures on a sheet.

    Args:
        panels: Title and figure, each ``WIDTH`` by ``height`` units.
        height: Of each figure.
        columns: Figures side by side, ``>= 1``.
        key: What lines and marks mean: one sample a series.
        label: What the whole shows, for those who do not see it.

    Returns:
        An SVG element, wider than a single figure and in letters of the same size.
    """
    across = min(columns, max(len(panels), 1))
    width = across * WIDTH + (across - 1) * _GAP
    marks: list[Markup] = []
    for number, (name, panel) in enumerate(panels):
        row, column = divmod(number, across)
        x, y = column * (WIDTH + _GAP), row * (height + _TITLE + _GAP)
        marks.append(tag("text", title(name), shorten(name, 60), x=float(x + 4), y=float(y + 17), class_="heading"))
        place = f'<svg x="{x}" y="{y + _TITLE}" width="{WIDTH}" height="{height:g}" '
        marks.append(Markup(str(panel).replace("<svg ", place, 1).replace('class="figure ', 'class="', 1)))
    rows = -(-len(panels) // across)
    bottom = rows * (height + _TITLE) + (rows - 1) * _GAP + 10
    drawn, end = _key(key, width, bottom)
    return tag(
        "svg",
        *marks,
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {end:g}",
        role="img",
        aria_label=label,
        class_="figure panels",
    )


def _key(samples: Sequence[Sample], width: float, top: float) -> tuple[list[Markup], float]:
    """Draw the key in as many columns as its longest name allows."""
    if not samples:
        return [], top
    longest = max(len(shorten(name, 40)) for name, _, _ in samples)
    wide = 64 + _CHARACTER * longest + 14
    across = max(1, int(width // wide))
    marks = []
    for place, (name, number, line) in enumerate(samples):
        row, column = divmod(place, across)
        x, y = 4 + column * wide, top + 14 + row * _KEY
        if line:
            marks.append(tag("line", x1=x, x2=x + 46, y1=y, y2=y, class_=f"curve {style(number)} {line}"))
        marks.append(tag("g", mark(number, x + 23, y, size=0.9), class_=f"mark {style(number)}"))
        marks.append(tag("text", title(name), shorten(name, 40), x=x + 54, y=y + 4, class_="legend"))
    return marks, top + 14 + _KEY * -(-len(samples) // across)
