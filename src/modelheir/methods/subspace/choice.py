"""Which way to use, by the selection images; what each came to and cost, and what the plane explains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import subspace
from modelheir.methods.given.arms import ranked, row_of, verdict
from modelheir.methods.subspace.names import ABOUT, IN_PLANE
from modelheir.methods.subspace.planes import principal
from modelheir.methods.subspace.ways import WAYS
from modelheir.plans import Stage, Task

if TYPE_CHECKING:
    from modelheir.methods.subspace.build import Build, Done
    from modelheir.types import StageResult

__all__ = ["choice"]


def choice(builds: Sequence[Build], names: Sequence[str]) -> Stage:
    """Return the last stage: it keeps the chosen way's network and writes a row of each.

    Args:
        builds: One a seed; the first one's network is kept.
        names: The ways that were tried.
    """

    def prepare(done: Done) -> Task:
        found = {name: [_judged(done[f"{name}{build.suffix}"]) for build in builds] for name in names}
        order = ranked(found)
        rows = {
            f"way/{name}": {**row_of(results), **_cost(builds[0], name, results), **_astray(results)}
            for name, results in found.items()
        }
        attacked = any("robust" in one.describe.get("measured", {}) for one in found[order[0]])
        images = "selection images, attacked" if attacked else "selection images"
        note = verdict(found, ABOUT.__getitem__, kind="way", images=images)
        best = rows[f"way/{order[0]}"]
        if builds[0].config.start:
            note = note.replace(": --method.seeds 3 or more gives an interval", "; more trainings would")
        best |= {"chosen": True, "said": note.split("\n"), "note": f"{_table(rows, order, attacked)}\n{note}"}
        build, result = builds[0], found[order[0]][0]
        if set(names) & IN_PLANE:
            rows["subspace"] = _shown(build, done, {name: results[0] for name, results in found.items()})
        model = build.loaded(result.weights("model"))
        return build.task(model, describe={"chosen": order[0], "rows": rows})

    return Stage("choice", prepare)


def _judged(result: StageResult) -> StageResult:
    """Return a result that is judged by its accuracy under attack, where it was trained against attacks."""
    robust = result.describe.get("measured", {}).get("robust")
    if robust is None:
        return result
    return dataclasses.replace(result, metrics={**result.metrics, "val/accuracy": robust})


def _cost(build: Build, name: str, results: Sequence[StageResult]) -> dict[str, Any]:
    """Return the passes over the training images after the snapshots; a forward pass is a third of one."""
    measured = [{**one.describe, **one.describe.get("measured", {})} for one in results]
    if all("passes" in one for one in measured):
        keys = [key for key in ("passes", "accepted") if key in measured[0]]
        return {key: sum(one[key] for one in measured) / len(measured) for key in keys}
    if not WAYS[name].trains:
        averaged = name != "cut" and (build.config.recalibrate or name == "recalibrated")
        return {"passes": 1 / 3 if averaged else 0.0}
    twa = build.config.twa
    if name == "twa":
        return {"passes": build.config.epochs * twa.groups * (twa.held_out or 1.0)}
    return {"passes": float(build.config.epochs + (build.given.fit.epochs if name == "full" else 0))}


def _astray(results: Sequence[StageResult]) -> dict[str, Any]:
    """Return what is said of seeds whose loss or weights stopped being finite, where there are any."""
    told = [f"{one.name}: {one.describe['diverged']}" for one in results if "diverged" in one.describe]
    return {"diverged": told} if told else {}


def _shown(build: Build, done: Done, found: Mapping[str, StageResult]) -> dict[str, Any]:
    """Return what a page draws: what the directions explain, where the snapshots went and where each way ended."""
    basis, rows = principal(build, done), build.trajectory(done)
    ways = {
        name: [basis.layout.join({key: value.numpy() for key, value in result.weights("model").items()})]
        for name, result in found.items()
    }
    told = subspace.told(basis, rows, [one.step for one in build.snapshots(done)], ways)
    for name, result in found.items():
        told["ways"][name]["value"] = result.metrics["val/loss"]
    return told


def _table(rows: Mapping[str, Mapping[str, Any]], order: Sequence[str], attacked: bool) -> str:
    """Write what every way came to, best first."""
    lines = [f"{'':14}{' attacked' if attacked else 'selection'}  reporting  passes"]
    for name in order:
        row = rows[f"way/{name}"]
        lines.append(f"{name:14}{row['selection']:>9.1%}  {row['value']:>9.1%}  {row['passes']:>6.2g}")
        lines[-1] += "  diverged" if "diverged" in row else ""
    return "\n".join([*lines, *(told for name in order for told in rows[f"way/{name}"].get("diverged", ()))])
