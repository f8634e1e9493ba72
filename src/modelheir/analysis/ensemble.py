"""Ensembles of stored predictions, with what each member and the whole are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from modelheir.analysis.run_rows import accuracy
from modelheir.metrics.ensemble import ensemble_predictions
from modelheir.types import Predictions

__all__ = ["Ensemble", "ensemble"]


class Ensemble(NamedTuple):
    """An average of models."""

    predictions: Predictions
    members: float  #: models in it, those of averaged members counted; a source of weight 0 has none in it
    rows: list[dict[str, Any]]  #: each member, then the ensemble: name, members, weight, n, accuracy and its interval


def ensemble(
    sources: Mapping[str, Predictions],
    *,
    members: Sequence[float] | None = None,
    weights: Sequence[float] | None = None,
    by: str = "logits",
    confidence: float = 0.95,
) -> Ensemble:
    """Average models that spoke about the same images.

    Args:
        sources: Name -> what a model said, or an average of models.
        members: How many models each source averages already; ``None``: one each.
        weights: One a source, multiplied by its members; ``None``: all 1, so every model counts alike. They change the
            average, not the number of models in it.
        by: ``logits`` or ``probabilities``.
        confidence: Two-sided, of the intervals.

    Returns:
        The average, its members and the table.

    Raises:
        InputError: If the sources do not describe the same images or lack scores.
        ValueError: If weights or members are not usable.

    Example:
        >>> import numpy as np
        >>> ids, label = np.array(["a"]), np.array([0])
        >>> one, two = (Predictions(ids, label, np.array([k]), logits=np.eye(2)[[k]]) for k in (0, 1))
        >>> found = ensemble({"one": one, "two": two}, members=[3, 1])
        >>> found.members, found.predictions.logits.tolist()
        (4.0, [[0.75, 0.25]])
    """
    held = [1.0] * len(sources) if members is None else [float(count) for count in members]
    factors = [1.0] * len(sources) if weights is None else [float(weight) for weight in weights]
    if not len(held) == len(factors) == len(sources):
        raise ValueError(f"{len(factors)} weights and {len(held)} counts were given for {len(sources)} sources")
    together = [count * factor for count, factor in zip(held, factors, strict=True)]
    models = sum(count for count, weight in zip(held, together, strict=True) if weight)
    mean = ensemble_predictions(list(sources.values()), weights=together, by=by, names=list(sources))
    rows = [
        {"name": name, "members": count, "weight": weight / sum(together), **_accuracy(found, confidence)}
        for (name, found), count, weight in zip(sources.items(), held, together, strict=True)
    ]
    rows.append({"name": "ensemble", "members": models, "weight": 1.0, **_accuracy(mean, confidence)})
    return Ensemble(mean, models, rows)


def _accuracy(found: Predictions, confidence: float) -> dict[str, Any]:
    right, count = accuracy(found, confidence=confidence)
    return {"n": count, "accuracy": right.value, "accuracy_interval": list(right.interval) if right.interval else None}
