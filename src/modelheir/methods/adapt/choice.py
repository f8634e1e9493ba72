"""Which strategy to use: the best on the newest selection images, in the mean over seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.analysis.arms import over_seeds
from modelheir.methods.adapt.builder import best_of, merit, settings_of
from modelheir.methods.adapt.each_step import at_each_step, flips, said_of_steps
from modelheir.methods.adapt.strategies import STRATEGIES
from modelheir.plans import Stage, Task
from modelheir.runs.predictions import read_predictions

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.types import Predictions, StageResult

__all__ = ["choice"]

Found = Mapping[str, Sequence["StageResult"]]


def choice(builders: Sequence[Builder], nodes: Mapping[str, Sequence[Node]], pasts: Sequence[str] = ()) -> Stage:
    """Return the last stage: it publishes the chosen strategy's model and writes a row of each strategy.

    Args:
        builders: One a seed; the first one's model is published.
        nodes: Strategy -> its stages, a seed each.
        pasts: Stages that trained on the past alone, a seed each, where there are such: what each strategy breaks of
            their right answers is told too.
    """
    build = builders[0]

    def prepare(done: Done) -> Task:
        found = {name: [best_of(done, node) for node in seeds] for name, seeds in nodes.items()}
        ranked = sorted(
            found, key=lambda name: np.mean([merit(one) for one in found[name]], axis=0).tolist(), reverse=True
        )
        given = build.on([build.newest])
        task = given.task(build.model(done, nodes[ranked[0]][0]), given.data.stream("train", train=False), None)
        past = [done[name] for name in pasts if name in done]
        rows = {
            f"strategy/{name}": {**_row(results), **_tuning(done, nodes[name]), **_flips(past, results)}
            for name, results in found.items()
        }
        for name in found:
            if steps := at_each_step(builders, done, nodes[name]):
                rows[f"strategy/{name}"]["steps"] = steps
        best = rows[f"strategy/{ranked[0]}"]
        note = _verdict(ranked, found, best["settings"][0]) + _broken(best) + said_of_steps(best.get("steps", {}))
        best |= {"chosen": True, "note": note}
        return dataclasses.replace(task, describe={**task.describe, "chosen": ranked[0], "rows": rows})

    return Stage("choice", prepare)


def _row(results: Sequence[StageResult]) -> dict[str, Any]:
    """Return what ``result.json`` says of a strategy; the newest reporting images are read here alone."""
    said = [_said(one) for one in results]
    test = [float((one.prediction == one.label).mean()) for one in said]
    mean, interval = over_seeds(test, within=(0, 1))
    selection, selection_interval = over_seeds([merit(one)[0] for one in results], within=(0, 1))
    return {
        "value": mean,
        "unit": "fraction",
        "direction": "higher is better",
        "count": len(said[0]),
        "interval": interval,
        "confidence": 0.95,
        "values": test,
        "selection": selection,
        "selection_interval": selection_interval,
        "stages": [one.name for one in results],
    }


def _tuning(done: Done, seeds: Sequence[Node]) -> dict[str, Any]:
    """Return the setting that each seed chose, and what was ``tried`` with its value on the selection images."""
    settings, tried = [], []
    for node in seeds:
        found = best_of(done, node).name
        each = [(name, row) for name in node for row in settings_of(done[name])]
        named = {name: done[name].describe.get("setting") or {"stage": name} for name in node if len(node) > 1}
        told = [{**named.get(name, {}), **row["setting"]} for name, row in each]
        settings.append(next(one for one, (name, row) in zip(told, each, strict=True) if name == found and row["kept"]))
        tried.append([{**one, "selection": row.get("selection")} for one, (_, row) in zip(told, each, strict=True)])
    return {"settings": settings, "tried": tried}


def _said(result: StageResult) -> Predictions:
    """Read what a stage's model says of the newest reporting images."""
    return read_predictions(result.folder / "predictions" / "test.parquet", columns=())


def _flips(past: Sequence[StageResult], results: Sequence[StageResult]) -> dict[str, Any]:
    """Return the rates at which answers of the network of the past are broken and mended, over seeds."""
    if not past:
        return {}
    return flips([(_said(old), _said(new)) for old, new in zip(past, results, strict=True)])


def _broken(row: Mapping[str, Any]) -> str:
    """Say what is broken and mended against the network of the past."""
    if "nfr" not in row:
        return ""
    return (
        f"\nOf the newest reporting images it breaks {row['nfr']:.1%} that the network of the past has right, and "
        f"mends {row['pfr']:.1%}."
    )


def _verdict(ranked: Sequence[str], found: Found, setting: Mapping[str, Any]) -> str:
    """Say which strategy to use and how, and how sure that is by the selection images, paired over seeds."""
    best, seeds = ranked[0], len(found[ranked[0]])
    value = float(np.mean([merit(one)[0] for one in found[best]]))
    how = "".join(f", {key} = {value}" for key, value in setting.items())
    line = f"Use {best} ({STRATEGIES[best].about}{how}): right on {value:.1%} of the newest selection images"
    line += f", the mean of {seeds} seeds." if seeds > 1 else "."
    if len(ranked) == 1:
        return line
    near = [name for name in ranked[1:] if not _ahead(found[best], found[name])]
    if seeds == 1:
        return f"{line}\nOne seed does not tell strategies apart: --method.seeds 3 or more gives an interval."
    if near:
        return f"{line}\nNot told apart from it by these seeds: {', '.join(near)}."
    return f"{line}\nEvery other strategy is worse there, by a paired interval over the seeds that leaves out 0."


def _ahead(best: Sequence[StageResult], other: Sequence[StageResult]) -> bool:
    """Tell whether the paired difference over seeds is above 0."""
    interval = over_seeds([merit(one)[0] - merit(two)[0] for one, two in zip(best, other, strict=True)])[1]
    return interval is not None and interval[0] > 0
