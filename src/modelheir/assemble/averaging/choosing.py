"""Which average is kept, by the selection images alone, and what is said of the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.screen import percent

__all__ = ["choose", "verdict"]


def choose(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the most accurate; of equals the one with fewer negative flips, then with the lower loss, then the first.

    Args:
        rows: ``accuracy`` and ``nfr`` (fractions) and ``loss`` (nats) on the selection images; at least one.

    Example:
        >>> choose([{"accuracy": 0.9, "nfr": 0.02, "loss": 0.3}, {"accuracy": 0.9, "nfr": 0.01, "loss": 0.4}])["nfr"]
        0.01
    """
    return min(rows, key=lambda row: (-row["accuracy"], row["nfr"], row["loss"]))


def verdict(chosen: Mapping[str, Any], best: Mapping[str, Any], gain: Mapping[str, Any]) -> str:
    """Say what was chosen, and whether the selection images tell it apart from the best model alone.

    Args:
        chosen: Its row: ``model``, ``members``, ``of`` (how many there are), ``n``, ``accuracy``.
        best: Row of the best model alone.
        gain: Row of the chosen against that one: ``accuracy_gain`` and its paired interval.
    """
    count, name = len(chosen["members"]), chosen["model"]
    right = f"right on {percent(chosen['accuracy'])} of the {chosen['n']:,} selection images"
    if count == 1:
        return f"No average beats the best model alone there: {name} is {chosen['members'][0]} itself, {right}."
    value, (low, high) = gain["accuracy_gain"], gain["accuracy_gain_interval"]
    points = f"{100 * value:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}]"
    apart = "better" if low > 0 else "worse" if high < 0 else "which so many images do not tell from none"
    return (
        f"Chosen: {name} ({count} of {chosen['of']} models), {right}. The best alone, {best['model']}, is right on "
        f"{percent(best['accuracy'])}: a gain of {points}, {apart}."
    )
