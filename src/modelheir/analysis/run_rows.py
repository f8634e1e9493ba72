"""One run as a row of the table of many runs: its error, and its flips against an old model where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.analysis.record import Rate
from modelheir.metrics.statistics.intervals import exact
from modelheir.types import Predictions

__all__ = ["accuracy", "run_row"]


def run_row(name: str, new: Predictions, old: Predictions | None = None, *, max_nfr: float = 1.0) -> dict[str, Any]:
    """Tabulate one run.

    Args:
        name: What to call it.
        new: What the run's model said.
        old: What the old model said about the same images; ``None`` counts no flips.
        max_nfr: The gate's largest negative flip rate, a fraction; 1 judges nothing.

    Returns:
        ``name``, ``n``, ``error`` and its interval; with ``old`` also ``nfr``, ``pfr``, ``relative_nfr``, ``churn``,
        ``error_old`` and, with a bound, ``gate``. Intervals stand under ``..._interval``.

    Raises:
        InputError: If the two do not describe the same images.
    """
    if old is None:
        right, count = accuracy(new)
        return {"name": name, "n": count, **right.rest.named("error")}
    found = compare(old, new, gate=GateConfig(max_nfr=max_nfr))
    rates = found.rates
    row = {**found.placed(name), **rates.relative_nfr.named("relative_nfr"), "churn": rates.churn.value}
    row["error_old"] = rates.accuracy_old.rest.value
    return {**row, "gate": found.gate} if max_nfr < 1 else row


def accuracy(found: Predictions, *, confidence: float = 0.95) -> tuple[Rate, int]:
    """Return the share of right answers with its exact interval, and how many images have a label.

    >>> said = Predictions(np.array(list("abc")), np.array([0, 1, -1]), np.array([0, 0, 0]))
    >>> accuracy(said)[0].value, accuracy(said)[1]
    (0.5, 2)
    """
    label = np.asarray(found.label)
    known = label >= 0
    right, count = int((np.asarray(found.prediction) == label)[known].sum()), int(known.sum())
    return (Rate(right / count, exact(right, count, confidence=confidence)) if count else Rate(None)), count
