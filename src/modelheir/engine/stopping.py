"""When a fit on a small set ends, and which of its states is kept: the rule of Seq-to-Final, apart from any loop.

A counter rises when an evaluation is no better than the one *before*, and is 0 again when it is better, though the best
may lie further back; past ``patience`` the fit ends. Kept is the state with the strictly greatest value, the earliest
of equal ones, and the first value is that of the state before training, which may win. Ji et al., 2024,
arXiv:2407.09642, and its published code, which uses a patience of 5, and of 10 where it goes on from an earlier run.
``fit.patience`` is another rule: it counts since the best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from modelheir import checks

__all__ = ["NoRiseRule"]


class NoRiseRule:
    """Watches one fit.

    Example:
        >>> rule = NoRiseRule(patience=1)
        >>> [rule.observe(value) for value in (0.1, 0.3, 0.3, 0.2)], rule.stop, rule.best_epoch
        ([True, True, False, False], True, 1)
    """

    def __init__(self, patience: int = 5) -> None:
        """Begin before the first evaluation.

        Args:
            patience: Evaluations in a row that may be no better than the one before, ``>= 0``; one more ends the fit.

        Raises:
            ValueError: If it is negative.
        """
        checks.at_least(0, patience=patience)
        self.patience = patience
        self.epoch = -1  #: of the latest value; 0 is the state before training
        self.best, self.best_epoch = -math.inf, -1
        self.latest, self.without_rise = -math.inf, 0

    def observe(self, value: float) -> bool:
        """Take the value of the next epoch, higher is better; tell whether its state is to be kept.

        What is not a number is never better. Until one is, nothing is kept.
        """
        self.epoch += 1
        self.without_rise = 0 if self.epoch == 0 or value > self.latest else self.without_rise + 1
        self.latest = value if not math.isnan(value) else -math.inf
        if not value > self.best:
            return False
        self.best, self.best_epoch = value, self.epoch
        return True

    @property
    def stop(self) -> bool:
        """Whether the fit ends here."""
        return self.without_rise > self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs; plain numbers, ``None`` for a value that there is not."""
        values = {"best": self.best, "latest": self.latest}
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        return {"epoch": self.epoch, "best_epoch": self.best_epoch, "without_rise": self.without_rise, **finite}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back; the patience is that of this rule."""
        self.epoch, self.best_epoch, self.without_rise = (
            state["epoch"],
            state["best_epoch"],
            state["without_rise"],
        )
        self.best, self.latest = (-math.inf if state[name] is None else state[name] for name in ("best", "latest"))
