"""One bound held against a rate, or against the same rate of several groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelheir.analysis.gate.bounds import GateConfig, Measured, images_needed
from modelheir.analysis.gate.verdict import HOLD, SHIP, UNDECIDED, Check
from modelheir.metrics.statistics.correction import bonferroni_confidence

__all__ = ["check_bound"]


def check_bound(
    name: str, bound: float | np.ndarray, config: GateConfig, words: Sequence[str], of: Measured
) -> list[Check]:
    """Hold one bound against one rate, or the same rate of several groups; a name with ``max`` is an upper bound."""
    upper = name.startswith("max")
    value, n = np.atleast_1d(np.asarray(of.value, np.float64)), np.atleast_1d(np.asarray(of.n))
    strict = bonferroni_confidence(config.confidence, len(value))
    bounds = np.broadcast_to(np.asarray(bound, np.float64), value.shape)

    def meets(number: Any) -> np.ndarray:
        number = np.atleast_1d(number)
        return number <= bounds if upper else number >= bounds

    def ships(k: Any) -> np.ndarray:
        return meets(value if config.point else of.ends(k, config.confidence)[1 if upper else 0])

    def holds(k: Any) -> np.ndarray:
        return ~meets(value if config.point else of.ends(k, strict)[0 if upper else 1])

    one: Any = np.ones(len(value)) if np.ndim(of.value) else 1.0
    ship, hold = ships(one), holds(one)
    open_ = ~ship & ~hold
    needed: list[int | None] = [None] * len(value)
    if open_.any():

        def decided(k: np.ndarray) -> np.ndarray:
            scale = k if np.ndim(of.value) else float(k[0])
            return ~open_ | ships(scale) | holds(scale)

        needed = images_needed(decided, n)
    low, high = (np.atleast_1d(end) for end in of.ends(one, config.confidence))
    made = []
    for k, what in enumerate(words):
        ends = (float(low[k]), float(high[k]))
        verdict = SHIP if ship[k] else HOLD if hold[k] else UNDECIDED
        shown = f"{value[k]:.2%}" + ("" if config.point else f" [{ends[0]:.2%}, {ends[1]:.2%}]")
        sentence = f"{what} is {shown}: {_relation(verdict, upper, config.point)} {bounds[k]:.2%}"
        if verdict == UNDECIDED:
            sentence += f"; {_price(needed[k], of.unit, bool(np.ndim(of.value)))}"
        made.append(
            Check(
                *(name, verdict, f"{sentence}."),
                bound=float(bounds[k]),
                value=float(value[k]),
                interval=ends,
                needed=needed[k] if verdict == UNDECIDED else None,
                n=int(n[k]),
            )
        )
    return made


def _relation(verdict: str, upper: bool, point: bool) -> str:
    """Say how a rate stands to its bound."""
    if verdict == UNDECIDED:
        return "its interval lies on both sides of"
    meets = verdict == SHIP
    end = "its estimate" if point else f"its {'upper' if upper is meets else 'lower'} end"
    if upper:
        return f"{end} is at most" if meets else f"{end} is above"
    return f"{end} is at least" if meets else f"{end} is below"


def _price(needed: int | None, unit: str, group: bool) -> str:
    """Say what a decision costs."""
    if needed is None:
        return f"at this very rate no number of {unit}s decides"
    what = unit if needed == 1 else f"{unit}s"
    return f"about {needed:,} more {what}{' of it' if group else ''} would decide at this rate"
