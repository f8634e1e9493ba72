"""One model on one split as a row: accuracy and top-5, and its flips against an old model, all with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelheir.analysis.pairing import pair_up
from modelheir.analysis.record import Rate
from modelheir.analysis.run_rows import accuracy
from modelheir.metrics.accuracy import in_top_k
from modelheir.metrics.flips import FRACTIONS, rates
from modelheir.metrics.outcomes import count_outcomes, outcomes
from modelheir.metrics.statistics.intervals import exact
from modelheir.metrics.statistics.paired import paired_difference
from modelheir.types import Predictions

__all__ = ["evaluation_row"]


def evaluation_row(
    model: str, found: Predictions, old: Predictions | None = None, *, old_name: str = "", confidence: float = 0.95
) -> dict[str, Any]:
    """Tabulate one model; images without a label are left out.

    Args:
        model: What to call it.
        found: What it said.
        old: What the old model said about the same images; adds the flips.
        old_name: What to call the old model in errors.
        confidence: Two-sided, of the intervals.

    Returns:
        ``model``, ``n``, ``accuracy``; ``top5`` where there are scores of more than five classes; with ``old`` also
        ``nfr``, ``pfr`` and ``accuracy_gain`` (new minus old). Each has its interval under ``..._interval``: exact,
        and for the gain Newcombe's for paired proportions. What is not defined is ``None`` and has none.

    Raises:
        InputError: If the two do not describe the same images.

    Example:
        >>> ids, label = np.array(list("abcd")), np.array([0, 1, 0, 1])
        >>> old, new = (Predictions(ids, label, np.array(said)) for said in ([0, 0, 0, 1], [1, 1, 0, 1]))
        >>> row = evaluation_row("v2", new, old)
        >>> row["accuracy"], row["nfr"], [round(end, 3) for end in row["accuracy_interval"]]
        (0.75, 0.25, [0.194, 0.994])
    """
    right, count = accuracy(found, confidence=confidence)
    row: dict[str, Any] = {"model": model, "n": count, **right.named("accuracy")}
    scores = found.logits if found.logits is not None else found.probabilities
    if scores is not None and scores.shape[1] > 5 and count:
        known = np.asarray(found.label) >= 0
        hits = int(in_top_k(scores[known], np.asarray(found.label)[known], k=5).sum())
        row |= Rate(hits / count, exact(hits, count, confidence=confidence)).named("top5")
    return row if old is None else {**row, **_flips(found, old, (old_name or "the old model", model), confidence)}


def _flips(new: Predictions, old: Predictions, names: tuple[str, str], confidence: float) -> dict[str, Any]:
    pair = pair_up(old, new, names=names)
    counts = count_outcomes(outcomes(pair.old.prediction, pair.new.prediction, pair.label))[0]
    value, found = rates(counts), {}
    for name in ("nfr", "pfr"):
        ends = exact(*(int(part) for part in FRACTIONS[name].parts(counts)), confidence=confidence)
        found |= Rate(float(value[name]), ends).named(name)
    gain = Rate(float(value["accuracy_gain"]), paired_difference(counts, confidence=confidence))
    return {**found, **gain.named("accuracy_gain")}
