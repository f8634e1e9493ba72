"""A pilot on the terminal: the small runs by size, the forecast in a sentence, and the command that comes next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelheir.config.pilot import time_text
from modelheir.screen import percent, say, show_table

if TYPE_CHECKING:
    from modelheir.assemble.piloting.pilot import Pilot

__all__ = ["forecast_lines", "next_words", "show_pilot"]


def show_pilot(found: Pilot, command: Sequence[str]) -> None:
    """Print what a pilot found.

    Args:
        found: The pilot.
        command: What was typed.
    """
    rows = []
    for images in sorted({pair.planned for pair in found.pairs}):
        pairs = [pair for pair in found.pairs if pair.planned == images]
        count, first = len(pairs), pairs[0]
        means = [sum(pair.accuracy[arm] for pair in pairs) / count for arm in ("with", "without")]
        gain = sum(pair.gain for pair in pairs) / count
        cells = [f"{first.images:,}", f"{first.labelled:,}", str(count), *map(percent, means), f"{100 * gain:+.2f}"]
        rows.append(cells)
    title = f"Small runs, on {found.selection:,} images of the selection split"
    show_table(title, ["images", "labelled", "pairs", "with", "without", "gain, points"], rows)
    say(*forecast_lines(found), f"Found: {found.path}", f"Next: {shlex.join(next_words(found, command))}")


def forecast_lines(found: Pilot) -> list[str]:
    """Return the forecast in words."""
    forecast, whole = found.forecast, found.whole
    low, high = 100 * forecast.low, 100 * forecast.high
    images = f"{whole.labelled + whole.pool:,} images ({whole.labelled:,} labelled)"
    lines = [
        f"Forecast for {images}, {whole.epochs} epochs: the teacher gains {100 * forecast.gain:+.1f} points of "
        f"accuracy [{low:+.1f}, {high:+.1f}] over the same student trained on the labels alone for as many steps; the "
        f"whole training takes about {time_text(found.whole_seconds)}."
    ]
    if not forecast.decided:
        lines.append("The interval holds 0: these small runs do not tell whether the teacher helps.")
    elif forecast.high < 0:
        lines.append("The teacher is forecast to harm: `modelheir train finetune` does without it.")
    if len(found.pairs) < found.planned:
        lines.append(
            f"Time was up after {len(found.pairs)} of {found.planned} pairs; the same command again trains no more, "
            "and a longer --pilot does."
        )
    return lines


def next_words(found: Pilot, command: Sequence[str]) -> list[str]:
    """Return the command of the whole training.

    Args:
        found: The pilot.
        command: What was typed.
    """
    words, rest = [], list(command)
    while rest:
        word = rest.pop(0)
        if word in ("--pilot", "--pilot.budget"):
            rest.pop(0)
        elif not word.startswith(("--pilot=", "--pilot.budget=")):
            words.append(word)
    return words
