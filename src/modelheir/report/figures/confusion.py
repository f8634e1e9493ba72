"""Confusion of one model: a square a pair of classes, stronger in colour where more of the row's images went there."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.svg import WIDTH, picture, shorten, tag, title

__all__ = ["confusion"]

_LEFT, _TOP, _WIDEST = 110, 96, 46
_LEGIBLE = 20  #: units of a square from which names keep the size of other figures, and numbers fit
_STRONGEST = 0.55  #: opacity of a mistake, so that a number on it can be read


def confusion(names: Sequence[str], counts: Sequence[Sequence[int]], *, top: float, model: str) -> Markup:
    """Draw the counts of one model; rows are labels, columns what it says.

    Args:
        names: The ``C`` classes.
        counts: Images by label and prediction, ``(C, C)``.
        top: Share of a row's images, above 0, at which the colour of a mistake is strongest; one for both models.
        model: What to call the model.

    Returns:
        An SVG element, as tall as it has classes; squares without an image are left empty.
    """
    size = min((WIDTH - _LEFT - 4) / max(len(names), 1), _WIDEST)
    side = size * len(names)
    kind = "label" if size >= _LEGIBLE else "tick"
    marks = [
        tag("rect", x=_LEFT, y=_TOP, width=side, height=side, class_="ground"),
        tag("text", "label ↓ said →", x=_LEFT - 8, y=_TOP - 8, text_anchor="end", class_="tick"),
    ]
    for number, name in enumerate(names):
        middle = size * (number + 0.5) + 4
        hint, short = title(name), shorten(name, 14)
        marks.append(tag("text", hint, short, x=_LEFT - 6, y=_TOP + middle, text_anchor="end", class_=kind))
        x, y = _LEFT + middle, _TOP - 6.0
        turned = {"x": x, "y": y, "transform": f"rotate(-90 {x:.2f} {y:.2f})"}
        marks.append(tag("text", hint, shorten(name, 12), **turned, class_=kind))
    for row, of in enumerate(counts):
        for column, count in enumerate(of):
            if count:
                share = count / sum(of)
                strength = share if row == column else _STRONGEST * min(share / top, 1.0)
                words = f"{names[row]}, said to be {names[column]}: {numerals.count(count)} images"
                words += f", {numerals.percent(share, 1)} of the class"
                x, y = _LEFT + size * column, _TOP + size * row
                square = {"x": x + 0.5, "y": y + 0.5, "width": size - 1, "height": size - 1}
                square |= {"fill_opacity": f"{max(strength, 0.08):.2f}"}
                marks.append(tag("rect", title(words), **square, class_=f"fill {'stay' if row == column else 'neg'}"))
                text = numerals.count(count)
                if size >= _LEGIBLE and 7 * len(text) + 2 <= size:
                    place = {"x": x + size / 2, "y": y + size / 2 + 4}
                    marks.append(tag("text", text, **place, text_anchor="middle", class_="amount"))
    label = f"Confusion of {model}, {len(names)} classes; the tables beside it hold the numbers"
    return picture(_TOP + side + 4, label, *marks, kind="confusion")
