"""Reliability diagram: how often a model is right among the images it is so sure about, old and new in one frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, tag, title

__all__ = ["reliability"]

_HEIGHT, _BAND = 400, 56


def reliability(tables: Mapping[str, Sequence[Mapping[str, Any]]], names: Mapping[str, str]) -> Markup:
    """Draw accuracy over confidence, with the share of images of each bin in a band below.

    Args:
        tables: For the keys ``old`` and ``new`` the bins: dicts with ``confidence`` and ``accuracy`` (fractions, means
            over the bin) and ``n`` (images). Empty bins are left out.
        names: What to call the two models.

    Returns:
        An SVG element.
    """
    x = Axis(0.0, 1.0, 58.0, WIDTH - 22.0, "Confidence of the prediction", lambda value: numerals.percent(value, 0))
    y = Axis(0.0, 1.0, _HEIGHT - 54.0 - _BAND, 30.0, "Share of right predictions", x.write)
    band = Axis(0.0, 1.0, _HEIGHT - 44.0, _HEIGHT - 44.0 - _BAND + 14, "")
    marks = [Frame(Axis(0.0, 1.0, x.start, x.end, "", lambda _: ""), y).draw()]
    marks.append(tag("line", x1=x.start, y1=y.start, x2=x.end, y2=y.end, class_="reference"))
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        marks.append(tag("text", x.write(value), x=x.at(value), y=band.start + 16, text_anchor="middle", class_="tick"))
    marks.append(tag("text", x.name, x=(x.start + x.end) / 2, y=band.start + 34, text_anchor="middle", class_="name"))
    marks.append(tag("line", x1=x.start, x2=x.end, y1=band.start, y2=band.start, class_="axis"))
    marks.append(tag("text", "images", x=x.start - 6, y=band.start - 4, text_anchor="end", class_="tick"))
    for place, (key, table) in enumerate(tables.items()):
        bins = [row for row in table if row.get("n") and numerals.is_number(row.get("confidence"))]
        most = max((row["n"] for row in bins), default=1)
        total = sum(row["n"] for row in bins) or 1
        spots = []
        for row in bins:
            left, top = x.at(row["confidence"]), y.at(row["accuracy"])
            spots.append(f"{left:.2f},{top:.2f}")
            high = band.at(row["n"] / most)
            shift = -7.0 if place == 0 else 1.0
            marks.append(tag("rect", x=left + shift, y=high, width=6, height=band.start - high, class_=f"fill {key}"))
        marks.append(tag("polyline", points=" ".join(spots), class_=f"curve {key}"))
        for row in bins:
            words = (
                f"{names[key]}: confidence {numerals.percent(row['confidence'], 1)}, "
                f"right {numerals.percent(row['accuracy'], 1)}, {numerals.count(row['n'])} of {total:,} images"
            )
            left, top = x.at(row["confidence"]), y.at(row["accuracy"])
            if place == 0:
                marks.append(tag("rect", title(words), x=left - 4, y=top - 4, width=8, height=8, class_=f"dot {key}"))
            else:
                marks.append(tag("circle", title(words), cx=left, cy=top, r=4.5, class_=f"dot {key}"))
    label = "Share of right predictions over confidence, for " + " and ".join(names[key] for key in tables)
    return picture(_HEIGHT, label, *marks, kind="reliability")
