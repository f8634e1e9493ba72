"""Which strategy to use: the best on the newest selection images, in the mean over seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir.methods.adapt.builder import best_of, settings_of
from modelheir.methods.adapt.each_step import at_each_step, flips, said_of_steps
from modelheir.methods.adapt.strategies import STRATEGIES
from modelheir.methods.given.arms import ranked, row_of, said, verdict
from modelheir.plans import Stage, Task

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.types import StageResult

__all__ = ["choice"]


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
        order = ranked(found)
        given = build.on([build.newest])
        task = given.task(build.model(done, nodes[order[0]][0]), given.data.stream("train", train=False), None)
        past = [done[name] for name in pasts if name in done]
        rows = {
            f"strategy/{name}": {**row_of(results), **_tuning(done, nodes[name]), **_flips(past, results)}
            for name, results in found.items()
        }
        for name in found:
            if steps := at_each_step(builders, done, nodes[name]):
                rows[f"strategy/{name}"]["steps"] = steps
        best = rows[f"strategy/{order[0]}"]
        how = "".join(f", {key} = {value}" for key, value in best["settings"][0].items())
        note = verdict(
            found, lambda name: f"{STRATEGIES[name].about}{how}", kind="strategy", images="newest selection images"
        )
        note += _broken(best) + said_of_steps(best.get("steps", {}))
        best |= {"chosen": True, "note": note}
        return dataclasses.replace(task, describe={**task.describe, "chosen": order[0], "rows": rows})

    return Stage("choice", prepare)


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


def _flips(past: Sequence[StageResult], results: Sequence[StageResult]) -> dict[str, Any]:
    """Return the rates at which answers of the network of the past are broken and mended, over seeds."""
    if not past:
        return {}
    return flips([(said(old), said(new)) for old, new in zip(past, results, strict=True)])


def _broken(row: Mapping[str, Any]) -> str:
    """Say what is broken and mended against the network of the past."""
    if "nfr" not in row:
        return ""
    return (
        f"\nOf the newest reporting images it breaks {row['nfr']:.1%} that the network of the past has right, and "
        f"mends {row['pfr']:.1%}."
    )
