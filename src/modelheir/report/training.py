"""Training curves: which quantities of the metric logs are drawn, and their lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from modelheir.report import figures, numerals

__all__ = ["training_figures"]

_PLACES = ("epoch", "step")  #: the first one that a row has is where it stands
_BOOKKEEPING = {
    "epoch",
    "step",
    "steps",
    "stage",
    "time",
    "seconds",
    "rank",
    "images_per_second",
    "data_seconds",
    "number",
    "seed",
}
_FRACTIONS = {"error", "accuracy", "nfr", "pfr", "nfi", "pfi", "churn", "ece", "relative_nfr", "top1", "top5"}
_FIRST = ("error", "nfr", "accuracy", "loss", "total")
_MOST = 12


def training_figures(logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[list[Markup], list[str]]:
    """Draw every logged quantity of every run that changes.

    One that is the same number throughout, over every epoch of every run, is left out.

    Args:
        logs: Run name to the rows of its metric log, in order. A row says where it stands by ``epoch`` or ``step``
            and may name its ``stage``; every other number in it is a quantity.

    Returns:
        At most 12 pictures, errors and flips first, and the names of the lines in the order of their colours.
    """
    lines: dict[str, dict[str, list[tuple[float, float]]]] = {}
    order: list[str] = []
    for run, rows in logs.items():
        stages = {str(row["stage"]) for row in rows if row.get("stage") is not None}
        for number, row in enumerate(rows):
            name = f"{run}, {row['stage']}" if len(stages) > 1 and row.get("stage") is not None else run
            place = next((row[key] for key in _PLACES if numerals.is_number(row.get(key))), number)
            for key, value in row.items():
                if key.rpartition("/")[2] not in _BOOKKEEPING and numerals.is_number(value):
                    lines.setdefault(key, {}).setdefault(name, []).append((place, value))
                    if name not in order:
                        order.append(name)
    chosen = sorted((key for key in lines if _changes(lines[key])), key=_rank)[:_MOST]
    drawn = [figures.curves(_words(key), lines[key], order=order, fraction=_last(key) in _FRACTIONS) for key in chosen]
    return drawn, order


def _changes(lines: Mapping[str, Sequence[tuple[float, float]]]) -> bool:
    """Tell whether there is something to see: different values, or only one, of which nothing is known."""
    values = [value for line in lines.values() for _, value in line]
    return len(values) == 1 or len(set(values)) > 1


def _words(key: str) -> str:
    text = key.replace("_", " ").replace("/", ", ")
    return text[:1].upper() + text[1:]


def _last(key: str) -> str:
    """Return the quantity of ``val/error``, ``val_error`` or ``error``."""
    end = key.rpartition("/")[2]
    return end if end in _FRACTIONS else end.rpartition("_")[2]


def _rank(key: str) -> tuple[int, str]:
    return (_FIRST.index(_last(key)) if _last(key) in _FIRST else len(_FIRST), key)
