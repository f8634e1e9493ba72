"""Which algorithm to use, by the selection images; and what the views are worth, alone and together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.methods.cotrain.label_check import said_of_labels
from modelheir.methods.cotrain.names import ABOUT
from modelheir.methods.cotrain.worth import worth_of_views
from modelheir.methods.given.arms import merit, ranked, row_of, verdict
from modelheir.plans import Stage, Task

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.models.encoders import Encoder
    from modelheir.types import StageResult

__all__ = ["choice"]


def choice(
    builds: Sequence[Build],
    nodes: Mapping[str, Sequence[Node]],
    *,
    tuned: Callable[[Done], Mapping[str, Encoder]] = lambda done: {},
    left: Sequence[str] = (),
    budget: str = "",
) -> Stage:
    """Return the last stage: it keeps the heads of the chosen algorithm and writes a row of each.

    Args:
        builds: One a seed; the first one's heads are kept.
        nodes: Algorithm -> of each seed the stages of which the best on the selection images stands for it.
        tuned: Finished stages to the first seed's encoders that were tuned, by the number of the view.
        left: Algorithms that were not tried, as the time was over; they are said.
        budget: The time that there was.
    """

    def prepare(done: Done) -> Task:
        for one in builds:
            one.done = done
        found = {
            name: [max((done[one] for one in seed if not done[one].skipped), key=merit) for seed in seeds]
            for name, seeds in nodes.items()
        }
        order = ranked(found)
        rows = {f"algorithm/{name}": {**row_of(results), **_views(builds, results)} for name, results in found.items()}
        note = verdict(found, ABOUT.__getitem__, kind="algorithm", images="selection images")
        build = builds[0]
        best = found[order[0]][0]
        kept = build.loaded(best)
        told, lines = worth_of_views(build, done, kept)
        labels, doubts = said_of_labels(build, done)
        lines = [*note.split("\n"), *_untried(left, budget), *doubts, *lines]
        rows[f"algorithm/{order[0]}"] |= {
            "chosen": True,
            **({"untried": list(left)} if left else {}),
            **({"labels": labels} if labels else {}),
            "said": lines,
            "note": "\n".join([_table(rows, order), *lines]),
        }
        about = {"chosen": order[0], "rows": rows, "worth": told}
        scale = best.describe["model"]["temperatures"]
        return build.task(kept, {}, temperatures=scale, tuned=tuned(done), describe=about)

    return Stage("choice", prepare)


def _untried(left: Sequence[str], budget: str) -> list[str]:
    """Say what was not tried.

    >>> _untried(["mct"], "10m")
    ['Not tried, as method.budget = 10m was over: mct.']
    """
    return [f"Not tried, as method.budget = {budget} was over: {', '.join(left)}."] if left else []


def _views(builds: Sequence[Build], results: Sequence[StageResult]) -> dict[str, Any]:
    """Return how often each view alone is right, the mean over seeds: on reporting and on selection images."""
    loaded = [build.loaded(result) for build, result in zip(builds, results, strict=True)]
    if len(loaded[0]) < 2:
        return {}
    found = {}
    for key, split in (("views", "test"), ("views_selection", "val")):
        alone: dict[str, list[float]] = {name: [] for name in loaded[0]}
        for build, heads in zip(builds, loaded, strict=True):
            vectors = build.views.sets[split]
            for name, logits in zip(heads, build.logits(heads, vectors), strict=True):
                right = logits.argmax(1) == vectors.labels
                alone[name].append(float(right[vectors.labels >= 0].mean()))
        found[key] = {name: float(np.mean(values)) for name, values in alone.items()}
    return found


def _table(rows: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> str:
    """Write what every algorithm came to, best first."""
    lines = [f"{'':16}selection  reporting  each view alone"]
    for name in order:
        row = rows[f"algorithm/{name}"]
        alone = "  ".join(f"{value:.1%}" for value in row.get("views", {}).values()) or "-"
        lines.append(f"{name:16}{row['selection']:>9.1%}  {row['value']:>9.1%}  {alone}")
    return "\n".join(lines)
