"""The plane of error against NFR: where several models stand that replace the same old one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelheir.analysis.pairing import pair_up
from modelheir.metrics.flips import FRACTIONS, rates
from modelheir.metrics.front import hypervolume, pareto_front
from modelheir.metrics.outcomes import count_outcomes, outcomes
from modelheir.metrics.statistics.intervals import exact
from modelheir.types import Predictions

__all__ = ["plane", "plane_hypervolume"]


def plane(old: Predictions, models: Mapping[str, Predictions], *, confidence: float = 0.95) -> list[dict[str, Any]]:
    """Place each model by its error and its NFR against ``old``.

    Args:
        old: What the old model said.
        models: Name -> what a new model said about the same images.
        confidence: Two-sided, of the intervals.

    Returns:
        One row a model, in the order given: ``name``, ``n``, ``error``, ``nfr``, ``pfr``, ``relative_nfr`` (``None``
        without images), ``error_interval``, ``nfr_interval``, and ``on_front``: no other model is at most as costly on
        both and less on one.

    Raises:
        InputError: If a file does not describe the same images.

    Example:
        >>> ids, label = np.array(list("abcd")), np.array([0, 1, 0, 1])
        >>> said = lambda *classes: Predictions(ids, label, np.array(classes))
        >>> rows = plane(said(0, 1, 1, 1), {"v2": said(0, 1, 0, 0), "v3": said(1, 1, 1, 1)})
        >>> [(row["error"], row["nfr"], row["on_front"]) for row in rows]
        [(0.25, 0.25, True), (0.5, 0.25, False)]
    """
    rows: list[dict[str, Any]] = []
    for name, new in models.items():
        pair = pair_up(old, new, names=("the old file", name))
        counts = count_outcomes(outcomes(pair.old.prediction, pair.new.prediction, pair.label))[0]
        found = {rate: float(value) for rate, value in rates(counts).items()}
        low, high = exact(*(int(part) for part in FRACTIONS["accuracy_new"].parts(counts)), confidence=confidence)
        nfr = exact(*(int(part) for part in FRACTIONS["nfr"].parts(counts)), confidence=confidence)
        rows.append(
            {
                "name": name,
                "n": int(counts.sum()),
                "error": 1 - found["accuracy_new"],
                "error_interval": [1 - high, 1 - low],
                "nfr": found["nfr"],
                "nfr_interval": list(nfr),
                "pfr": found["pfr"],
                "relative_nfr": found["relative_nfr"],
            }
        )
    if rows:
        on_front = pareto_front(np.array([[row["error"], row["nfr"]] for row in rows]))
        for row, on in zip(rows, on_front, strict=True):
            row["on_front"] = bool(on)
    return rows


def plane_hypervolume(rows: list[dict[str, Any]], *, error: float, nfr: float) -> float:
    """Return the area between the models' front and a reference model, higher is better.

    Args:
        rows: Result of :func:`plane`.
        error: Error of the reference, such as the plainly trained model's.
        nfr: NFR of the reference.

    Example:
        >>> round(plane_hypervolume([{"error": 0.1, "nfr": 0.01}], error=0.2, nfr=0.03), 6)
        0.002
    """
    return hypervolume(np.array([[row["error"], row["nfr"]] for row in rows]).reshape(-1, 2), (error, nfr))
