"""The accuracy-against-NFR plane: one mark a model, lower left is better, crosses are intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import numerals
from modelheir.report.figures.series import mark, style
from modelheir.report.figures.svg import WIDTH, Axis, Frame, picture, shorten, tag, title

__all__ = ["plane"]

_HEIGHT = 340


def plane(models: Sequence[dict[str, Any]], *, error_old: float | None = None) -> Markup:
    """Draw every model at its error and negative flip rate.

    Args:
        models: Dicts with ``name``, ``error`` and ``nfr`` (fractions), optionally ``error_interval``, ``nfr_interval``
            (two fractions each), ``chosen`` (true for the model the page is about) and ``group``: models of one
            group are joined by a line, in the order given. Models without both numbers are left out.
        error_old: Error of the old model, drawn as a dashed line.

    Returns:
        An SVG element.
    """
    models = [
        model for model in models if numerals.is_number(model.get("error")) and numerals.is_number(model.get("nfr"))
    ]
    spans = {
        key: [model[key] for model in models]
        + [
            end
            for model in models
            if numerals.interval(model.get(f"{key}_interval"))
            for end in model[f"{key}_interval"]
        ]
        for key in ("error", "nfr")
    }
    spans["error"] += [error_old] if numerals.is_number(error_old) else []
    x = Axis(
        *Axis.around(spans["error"], floor=0), 52.0, WIDTH - 16.0, "Error of the new model (lower is better)", _write
    )
    y = Axis(
        *Axis.around([0.0, *spans["nfr"]], floor=0),
        _HEIGHT - 44.0,
        30.0,
        "Negative flip rate (lower is better)",
        _write,
    )
    frame = Frame(x, y)
    marks: list[Markup] = [frame.draw()]
    if numerals.is_number(error_old):
        place = x.at(error_old)  # pyright: ignore[reportArgumentType]
        side = "end" if place > WIDTH / 2 else "start"
        marks.append(tag("line", x1=place, x2=place, y1=y.start, y2=y.end, class_="reference"))
        words = f"old model {numerals.percent(error_old)}"
        marks.append(
            tag("text", words, x=place + (-6 if side == "end" else 6), y=y.end + 12, text_anchor=side, class_="tick")
        )
    marks += _lines(models, x, y)
    taken = [box for model in models for box in _boxes(model, x, y)]
    if numerals.is_number(error_old):
        taken.append((x.at(error_old) - 3, y.end, x.at(error_old) + 3, y.start))  # pyright: ignore[reportArgumentType]
    for number, model in enumerate(models):
        marks.append(_mark(number, model, x, y))
    for number, model in enumerate(models):
        marks.append(_label(number, model, x, y, taken))
    label = f"Error against negative flip rate of {len(models)} models; the table below holds the numbers"
    return picture(_HEIGHT, label, *marks, kind="plane")


def _write(value: float) -> str:
    return numerals.percent(value, 2 if abs(value * 1000 - round(value * 1000)) > 1e-6 else 1)


def _lines(models: Sequence[dict[str, Any]], x: Axis, y: Axis) -> list[Markup]:
    groups: dict[str, list[str]] = {}
    for model in models:
        if model.get("group"):
            groups.setdefault(str(model["group"]), []).append(f"{x.at(model['error']):.2f},{y.at(model['nfr']):.2f}")
    return [tag("polyline", points=" ".join(places), class_="front") for places in groups.values() if len(places) > 1]


def _mark(number: int, model: dict[str, Any], x: Axis, y: Axis) -> Markup:
    left, top = x.at(model["error"]), y.at(model["nfr"])
    kind = "chosen" if model.get("chosen") else f"series {style(number)}"
    marks = []
    if numerals.interval(model.get("error_interval")):
        low, high = (x.at(end) for end in model["error_interval"])
        marks.append(tag("line", x1=low, x2=high, y1=top, y2=top, class_="whisker"))
    if numerals.interval(model.get("nfr_interval")):
        low, high = (y.at(end) for end in model["nfr_interval"])
        marks.append(tag("line", x1=left, x2=left, y1=low, y2=high, class_="whisker"))
    marks.append(mark(0 if model.get("chosen") else number, left, top))
    words = ", ".join(
        f"{name} {numerals.percent(model[key])} {numerals.interval(model.get(f'{key}_interval'))}".rstrip()
        for key, name in (("error", "error"), ("nfr", "NFR"))
    )
    return tag("g", title(f"{model['name']}: {words}"), *marks, class_=f"mark {kind}")


def _boxes(model: dict[str, Any], x: Axis, y: Axis) -> list[tuple[float, ...]]:
    """Return the rectangles that a mark and its intervals cover, for labels to keep clear of."""
    left, top = x.at(model["error"]), y.at(model["nfr"])
    found = [(left - 7, top - 7, left + 7, top + 7)]
    if numerals.interval(model.get("error_interval")):
        low, high = (x.at(end) for end in model["error_interval"])
        found.append((low, top - 1, high, top + 1))
    if numerals.interval(model.get("nfr_interval")):
        low, high = (y.at(end) for end in model["nfr_interval"])
        found.append((left - 1, high, left + 1, low))
    return found


def _label(number: int, model: dict[str, Any], x: Axis, y: Axis, taken: list[tuple[float, ...]]) -> Markup:
    left, top = x.at(model["error"]), y.at(model["nfr"])
    text = shorten(str(model["name"]), 22)
    width = 7.4 * len(text)
    for reach in (10.0, 18.0, 28.0, 40.0, 54.0):
        for across, down in ((1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1), (0, 1)):
            start = left + reach - 1 if across > 0 else left - reach - width + 1 if across < 0 else left - width / 2
            middle = top + down * (reach if across == 0 else reach * 0.75 + 2)
            box = (start, middle - 6.5, start + width, middle + 6.5)
            inside = box[0] >= x.start and box[2] <= WIDTH and box[1] >= y.end and box[3] <= y.start
            if inside and not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                taken.append(box)
                words = tag("text", text, x=start, y=middle + 4, class_="label halo")
                if reach <= 18:
                    return words
                end = start if across > 0 else start + width if across < 0 else left
                return tag("line", x1=left, y1=top, x2=end, y2=middle, class_="leader") + words
    return Markup("")  # no free place: the table names it
