"""How a strategy fares at every step: where earlier steps have reporting images, not the newest alone.

A strategy's models are those that its training went through: one a step of a sequence, that of the past and the last
one where the past comes together. Every one of them answers the reporting images of every step, which makes the table
that :mod:`modelheir.metrics.temporal` reads; and each is held against the one before it, on the images of its own step,
as a new version is held against the old one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.analysis.arms import over_seeds
from modelheir.methods.adapt.builder import best_of
from modelheir.methods.given.data import EARLIER
from modelheir.metrics import temporal
from modelheir.metrics.flips import negative_flip_rate, positive_flip_rate
from modelheir.runs.predictions import read_predictions
from modelheir.types import Predictions

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.types import StageResult

__all__ = ["at_each_step", "flips", "models_of", "said_of_steps"]


def models_of(build: Builder, done: Done, node: Node) -> dict[int, StageResult]:
    """Return the models that a strategy went through, by the newest step each has learnt from, oldest first."""
    found: dict[int, StageResult] = {}
    while node:
        best = best_of(done, node)
        step, node = build.before.get(best.name, (build.newest, ()))
        found.setdefault(step, best)  # of several on one step the last
    return dict(sorted(found.items()))


def at_each_step(builders: Sequence[Builder], done: Done, nodes: Sequence[Node]) -> dict[str, Any]:
    """Return what ``result.json`` says of a strategy at every step; nothing where earlier ones have no such images.

    Args:
        builders: One a seed.
        done: Finished stages.
        nodes: The strategy's, a seed each.

    Returns:
        ``names`` and ``images`` of the steps; ``accuracy``, row by row the models after each step, column by column
        the steps, ``None`` where there is no model or no image; ``by_lead``; each measure of
        :mod:`~modelheir.metrics.temporal` that can be taken, with its interval over seeds; and ``updates``: the rates
        at which each model breaks and mends answers of the one before it, on the images of its own ``step`` (from 0).
    """
    history = builders[0].history
    tested = [number for number, step in enumerate(history.steps) if "test" in step]
    if tested == [builders[0].newest]:
        return {}
    tables, curves, measured = [], [], []
    updates: dict[int, list[tuple[Predictions, Predictions]]] = {}
    for build, node in zip(builders, nodes, strict=True):
        answers = {step: _answers(build, one) for step, one in models_of(build, done, node).items()}
        table = np.full((len(history), len(history)), math.nan)
        for row, said in answers.items():
            for column, one in said.items():
                table[row, column] = (one.prediction == one.label).mean()
        tables.append(table)
        curves.append(temporal.accuracy_by_lead(table))
        measured.append(_measures(table, curves[-1]))
        for before, after in itertools.pairwise(answers):
            if after in tested:
                updates.setdefault(after, []).append((answers[before][after], answers[after][after]))
    found: dict[str, Any] = {
        "names": list(history.names),
        "images": [len(step["test"]) if "test" in step else 0 for step in history.steps],
        "accuracy": _mean(tables),
        "by_lead": _mean(curves),
    }
    for name in measured[0]:
        values = [one[name] for one in measured if not math.isnan(one[name])]
        if values:
            found[name], found[f"{name}_interval"] = over_seeds(values)
    found["updates"] = [{"step": step, **flips(pairs)} for step, pairs in sorted(updates.items())]
    return found


def flips(pairs: Sequence[tuple[Predictions, Predictions]]) -> dict[str, Any]:
    """Return the rates at which answers of old models are broken and mended by new ones, over seeds."""
    found: dict[str, Any] = {}
    for name, rate in (("nfr", negative_flip_rate), ("pfr", positive_flip_rate)):
        values = [rate(old.prediction, new.prediction, new.label) for old, new in pairs]
        found[name], found[f"{name}_interval"] = over_seeds(values, within=(0, 1))
    return found


def said_of_steps(found: Mapping[str, Any]) -> str:
    """Return the lines about every step, for people."""
    if not found:
        return ""
    shown = ["-" if one is None else f"{one:.1%}" for one in found["accuracy"][-1]]
    lines = f"\nRight on the reporting images of each step, the oldest first: {', '.join(shown)}."
    if "mean_drop_per_step" in found:
        lines += f"\nIts models lose {found['mean_drop_per_step']:.1%} from a step to the next ahead of them"
        if "drift_horizon" in found:
            steps = found["drift_horizon"]
            lines += f", and stay within 5 points for {steps:.3g} step{'' if steps == 1 else 's'}"
        lines += "."
    if found["updates"]:
        broken = ", ".join(f"{one['nfr']:.1%}" for one in found["updates"])
        lines += f"\nOf a step's reporting images its model breaks, of what the model before it has right: {broken}."
    return lines


def _measures(table: np.ndarray, curve: np.ndarray) -> dict[str, float]:
    """Return the measures of one seed; ``nan`` where one cannot be taken."""
    ahead = curve[: int(np.isnan(curve).argmax())] if np.isnan(curve).any() else curve
    many = len(ahead) > 1
    return {
        "worst_step": temporal.worst_step(table[-1]).accuracy,
        "mean_drop_per_step": temporal.mean_drop_per_step(table),
        "stability": temporal.stability(ahead) if many and ahead[0] > 0 else math.nan,
        "drift_horizon": temporal.drift_horizon(ahead) if many else math.nan,
        "backward_transfer": temporal.backward_transfer(table),
        "forgetting": temporal.forgetting(table),
    }


def _answers(build: Builder, result: StageResult) -> dict[int, Predictions]:
    """Read what a model says of the reporting images of each step."""
    place = result.folder / "predictions"
    found = {build.newest: read_predictions(place / "test.parquet", columns=())}
    earlier = read_predictions(place / f"{EARLIER}.parquet", columns=())
    for number, step in enumerate(build.history.steps[:-1]):
        if "test" in step:
            own = np.isin(earlier.sample_id, step["test"].ids)
            found[number] = Predictions(earlier.sample_id[own], earlier.label[own], earlier.prediction[own])
    return found


def _mean(values: Sequence[np.ndarray]) -> Any:
    """Return the mean over seeds as nested lists, ``None`` where nothing was measured."""
    mean = np.mean(values, axis=0).astype(object)
    mean[np.isnan(mean.astype(float))] = None
    return mean.tolist()
