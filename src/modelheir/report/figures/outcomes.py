"""Where the images went: one bar of four shares (right in both, mended, newly wrong, wrong in both)."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.svg import WIDTH, picture, tag, title

__all__ = ["outcomes"]

_NAMES = {"stay": "right in both", "pos": "mended", "neg": "newly wrong", "wrong": "wrong in both"}


def outcomes(shares: Mapping[str, float]) -> Markup:
    """Draw the four shares of all images as one bar.

    Args:
        shares: Fractions of all images under the keys ``stay``, ``pos``, ``neg`` and ``wrong``; they add up to 1.

    Returns:
        An SVG element with a legend that repeats the numbers.
    """
    label = "Share of images: " + ", ".join(f"{name} {numerals.percent(shares[key])}" for key, name in _NAMES.items())
    marks, left = [], 0.0
    for key, name in _NAMES.items():
        width = max(shares[key], 0.0) * WIDTH
        hint = title(f"{name}: {numerals.percent(shares[key])}")
        marks.append(
            tag("rect", hint, x=left, y=0.0, width=max(width - 1.5, 0.5), height=22, rx=2, class_=f"fill {key}")
        )
        left += width
    for place, (key, name) in enumerate(_NAMES.items()):
        x, y = 220 * (place % 2), 36 + 20 * (place // 2)
        marks.append(tag("rect", x=x, y=y, width=12, height=12, rx=2, class_=f"fill {key}"))
        text = (tag("tspan", numerals.percent(shares[key]), class_="strong"), f" {name}")
        marks.append(tag("text", *text, x=x + 18, y=y + 10.5, class_="legend"))
    return picture(72, label, *marks, kind="outcomes")
