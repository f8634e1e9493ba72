"""Try a few lists of rate multipliers by short fine-tuning runs, and rank them on the selection split.

The lists are those that the documents of PaddleClas give for networks trained by distillation: one for classifiers, one
for detectors, one for mobile networks, and all stages alike. Ours differs: a network with another number of stages gets
them stretched over its depth, by straight lines between the given values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelheir.assemble.arms import Arm, train_arms
from modelheir.checks import InputError
from modelheir.config.keywords import check_keywords, part_keywords
from modelheir.config.mapping import flatten
from modelheir.config.run import TrainConfig
from modelheir.extras import need_train
from modelheir.methods import METHODS
from modelheir.metrics.accuracy import accuracy
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions

__all__ = ["LISTS", "TriedMultipliers", "multiplier_search", "stretched"]

#: what is tried where nothing is given, from stem to the last stage before the head
LISTS: Mapping[str, tuple[float, ...]] = {
    "alike": (1.0, 1.0, 1.0, 1.0, 1.0),
    "transfer": (0.1, 0.1, 0.2, 0.2, 0.3),
    "detection": (0.05, 0.05, 0.05, 0.1, 0.15),
    "mobile": (0.25, 0.25, 0.5, 0.5, 0.75),
}


@dataclasses.dataclass(frozen=True)
class TriedMultipliers:
    """One list, and what came of it."""

    name: str
    multipliers: tuple[float, ...]  #: for ``fit.lr_multipliers``
    accuracies: tuple[float, ...]  #: on the selection split, one a seed, 0 to 1
    runs: tuple[Path, ...]  #: one a seed

    @property
    def accuracy(self) -> float:
        """The mean over seeds."""
        return sum(self.accuracies) / len(self.accuracies)


def stretched(multipliers: Sequence[float], count: int) -> tuple[float, ...]:
    """Return a list of ``count`` values that rises with depth as ``multipliers`` does; four decimals.

    Example:
        >>> stretched((0.1, 0.1, 0.2, 0.2, 0.3), 3), stretched((0.1, 0.3), 3)
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3))
    """
    places = np.linspace(0, len(multipliers) - 1, count)
    return tuple(round(float(one), 4) for one in np.interp(places, np.arange(len(multipliers)), multipliers))


def multiplier_search(
    start: str,
    *,
    lists: Mapping[str, Sequence[float]] | None = None,
    seeds: Sequence[int] = (0,),
    out: Path | str = "runs/multipliers",
    **settings: Any,
) -> list[TriedMultipliers]:
    """Try rate multipliers for the stages of a trained network by short fine-tuning runs; the best comes first.

    Args:
        start: The trained network: ``run:DIR``, ``file:PATH``, ``tv:NAME``, ...
        lists: Name to multipliers, one a stage (see ``fit.lr_multipliers``); ``None`` takes :data:`LISTS`.
        seeds: Each is used with every list.
        out: Folder of the runs; finished ones are not trained again.
        **settings: Those of ``modelheir train finetune``, in groups or dotted; few epochs will do for a choice.

    Returns:
        One entry a list, ranked by its mean accuracy on the selection split. ``found[0].multipliers`` are the setting
        ``fit.lr_multipliers`` of the long run.

    Raises:
        InputError: If a setting is unknown or one that this call decides itself, or a list does not fit the network.
    """
    own = METHODS["finetune"].config
    check_keywords(settings, "finetune", own)
    for_run, for_method = part_keywords(settings)
    base = {**flatten(TrainConfig, for_run), **flatten(own, for_method, where="method")}
    need_train("the search for multipliers")
    from modelheir import models

    taken = {"method.start", "fit.lr_multipliers", "seed", "out"} & set(base)
    if taken:
        raise InputError(f"{min(taken)} cannot be given here: the search sets it. Use start, lists, seeds and out.")
    if not seeds or lists == {}:
        raise InputError("the search needs at least one seed and one list of multipliers.")
    count = len(models.stages(models.load(start)))
    if lists is None:
        tried = {name: stretched(one, count - 1) for name, one in LISTS.items()}
    else:
        tried = {name: tuple(map(float, one)) for name, one in lists.items()}
    for name, one in tried.items():
        if len(one) not in (count - 1, count):
            raise InputError(
                f"the list {name!r} has {len(one)} values, and {start} has {count} stages (stem first, head last): "
                f"give {count}, or {count - 1} and the head's is 1."
            )
    given = {"lists": lists, "seeds": tuple(seeds), "out": str(out), **settings}
    call = f"modelheir.multiplier_search({start!r}, **{given!r})"
    arms = [Arm(name, settings={"fit.lr_multipliers": one}) for name, one in tried.items()]
    folders = train_arms(arms, {**base, "method.start": start}, seeds=seeds, out=out, command=[call])
    found = []
    for name, one in tried.items():
        runs = tuple(folders[name][seed] for seed in seeds)
        said = [read_predictions(RunFolder(run).predictions("val")) for run in runs]
        right = tuple(float(accuracy(each.prediction, each.label)) for each in said)
        found.append(TriedMultipliers(name, one, right, runs))
    return sorted(found, key=lambda one: -one.accuracy)
