"""Ways that a run tries over seeds, and what is said of the best: it is chosen on "val", and "test" is told alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.analysis.arms import over_seeds
from modelheir.runs.predictions import read_predictions

if TYPE_CHECKING:
    from modelheir.types import Predictions, StageResult

__all__ = ["Found", "merit", "ranked", "row_of", "said", "verdict"]

Found = Mapping[str, Sequence["StageResult"]]  #: way -> its stage, a seed each


def merit(result: StageResult) -> tuple[float, float]:
    """Return what stages are ranked by: accuracy on their selection images, then the loss there, turned round."""
    return result.metrics["val/accuracy"], -result.metrics["val/loss"]


def ranked(found: Found) -> list[str]:
    """Return the ways from the best to the worst, by the mean over seeds of what they are ranked by."""
    return sorted(found, key=lambda name: np.mean([merit(one) for one in found[name]], axis=0).tolist(), reverse=True)


def said(result: StageResult, split: str = "test") -> Predictions:
    """Read what a stage says of a split."""
    return read_predictions(result.folder / "predictions" / f"{split}.parquet", columns=())


def row_of(results: Sequence[StageResult]) -> dict[str, Any]:
    """Return what ``result.json`` says of a way; the reporting images are read here alone."""
    told = [said(one) for one in results]
    test = [float((one.prediction == one.label).mean()) for one in told]
    mean, interval = over_seeds(test, within=(0, 1))
    selection, selection_interval = over_seeds([merit(one)[0] for one in results], within=(0, 1))
    return {
        "value": mean,
        "unit": "fraction",
        "direction": "higher is better",
        "count": len(told[0]),
        "interval": interval,
        "confidence": 0.95,
        "values": test,
        "selection": selection,
        "selection_interval": selection_interval,
        "stages": [one.name for one in results],
    }


def verdict(found: Found, about: Callable[[str], str], *, kind: str, images: str) -> str:
    """Say which way to use, and how sure that is by the selection images, paired over seeds.

    Args:
        found: Ways, in any order.
        about: Name of a way to what it is, for brackets.
        kind: What a way is called, such as ``strategy``.
        images: What they are chosen on, such as ``selection images``.
    """
    order = ranked(found)
    best, seeds = order[0], len(found[order[0]])
    value = float(np.mean([merit(one)[0] for one in found[best]]))
    line = f"Use {best} ({about(best)}): right on {value:.1%} of the {images}"
    line += f", the mean of {seeds} seeds." if seeds > 1 else "."
    if len(order) == 1:
        return line
    near = [name for name in order[1:] if not _ahead(found[best], found[name])]
    if seeds == 1:
        return f"{line}\nOne seed does not tell them apart: --method.seeds 3 or more gives an interval."
    if near:
        return f"{line}\nNot told apart from it by these seeds: {', '.join(near)}."
    return f"{line}\nEvery other {kind} is worse there, by a paired interval over the seeds that leaves out 0."


def _ahead(best: Sequence[StageResult], other: Sequence[StageResult]) -> bool:
    """Tell whether the paired difference over seeds is above 0."""
    interval = over_seeds([merit(one)[0] - merit(two)[0] for one, two in zip(best, other, strict=True)])[1]
    return interval is not None and interval[0] > 0
