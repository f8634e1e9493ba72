"""Try each way on the selection images, keep the best, and only then look at the reporting images."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir import analysis
from modelheir.assemble.averaging.choosing import choose, verdict
from modelheir.assemble.averaging.settings import AUTO
from modelheir.assemble.prediction import predict_images
from modelheir.assemble.run_settings import run_settings
from modelheir.models import blends

if TYPE_CHECKING:
    from modelheir.assemble.averaging.judging import Judge, Tried
    from modelheir.assemble.averaging.members import Members
    from modelheir.assemble.averaging.settings import AverageConfig
    from modelheir.data import ImageSet
    from modelheir.models import Classifier
    from modelheir.models.blends import Way
    from modelheir.types import Predictions, Progress

__all__ = ["Found", "try_ways"]

#: settings that decide which images a split holds
_SPLIT = ("val_fraction", "test_fraction", "keep_together", "split_seed", "train_classes")


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The model that was chosen, and all that is told of it."""

    model: Classifier
    said: Mapping[str, Predictions]  #: by split
    table: Mapping[str, Any]  #: fields of :class:`~modelheir.assemble.averaging.result.Averaged` but the path, as JSON


def try_ways(config: AverageConfig, judge: Judge, splits: Mapping[str, ImageSet], progress: Progress) -> Found:
    """Ask each model alone and each average about the selection images, and the chosen one about the others.

    Raises:
        InputError: If a way needs more models than there are, or the old model and the data share no class.
    """
    members = judge.members
    ways, old = _ways(config, members), next(iter(config.old), members.own)

    @functools.cache
    def before(split: str) -> Predictions:
        return predict_images(
            old,
            splits[split],
            inputs=config.inputs,
            classes=config.classes,
            device=config.device,
            batch_size=config.batch_size,
        )

    reference = before("val") if old else None
    count = len(splits["val"])
    progress.stage("each model alone", len(members))
    alone: list[Tried] = []
    for number in range(len(members)):
        alone.append(judge.alone(number))
        progress.advance(count)
    best = max(alone, key=lambda one: (one.accuracy, -one.loss, one.kept))
    reference = best.said if reference is None else reference
    progress.stage("averages", len(ways))
    tried: dict[str, Tried] = {}
    for way in ways:
        tried[str(way)] = judge.average(way, tuple(alone))
        progress.advance(count)
    name = old or best.name

    def row(one: Tried) -> dict[str, Any]:
        found = analysis.evaluation_row(one.name, one.said, reference, old_name=f"the old model {name}")
        names = [members.names[number] for number in one.kept]
        return {**found, "loss": one.loss, "members": names, "of": len(members), "as_averaged": one.as_averaged}

    rows = [row(one) for one in tried.values()]
    chosen = choose(rows)
    made = tried[chosen["model"]]
    gain = analysis.evaluation_row(made.name, made.said, best.said)
    model = judge.final(made)
    said = {"val": judge.ask(model), **({"test": judge.ask(model, "test")} if "test" in splits else {})}
    table = {
        "chosen": made.name,
        "of": len(members),
        "in_time": members.in_time,
        "old": name,
        "ways": rows,
        "alone": [row(one) for one in alone],
        "best": best.name,
        "said": verdict(chosen, row(best), gain),
        "notes": _notes(config, members, splits),
        "reported": [],
    }
    if "test" in said:
        said_alone = judge.ask(judge.final(best), "test")
        reference = before("test") if old else said_alone
        rows = [analysis.evaluation_row(name, reference)]
        if old and len(made.kept) > 1:
            rows.append(analysis.evaluation_row(best.name, said_alone, reference))
        table["reported"] = [*rows, analysis.evaluation_row(made.name, said["test"], reference)]
    return Found(model, said, table)


def _ways(config: AverageConfig, members: Members) -> list[Way]:
    """Return the ways that are asked for, each once, and require that there are models enough."""
    found: dict[str, Way] = {}
    for text in config.by:
        several = blends.fitting_ways(len(members), in_time=members.in_time) if text == AUTO else []
        for way in several or [blends.parse_way(text)]:
            found[str(way)] = way
    for way in found.values():
        if way.name != blends.GREEDY:
            way.weights(len(members))
    return list(found.values())


def _notes(config: AverageConfig, members: Members, splits: Mapping[str, ImageSet]) -> list[str]:
    """Say what makes the numbers worth less than they look."""
    notes = [
        f"{model} was trained on {what}, so it may have seen images that choose or report here."
        for model in members.files
        if (what := _other_splits(run_settings(model), config))
    ]
    if "test" not in splits:
        notes.append("The data has no reporting split (test): nothing but the choice's own images judges the average.")
    if config.recalibrate and not _normalised(members.like):
        notes.append("The network has no batch norm, so nothing was recalibrated.")
    return notes


def _other_splits(own: Mapping[str, Any], config: AverageConfig) -> str:
    """Return in which setting a run's images differ from those that judge here; "" where they do not."""
    if own and own.get("data") != config.data:
        return f"data = {own.get('data')!r}"
    for key in _SPLIT if own else ():
        value, here = own["inputs"].get(key), getattr(config.inputs, key)
        value = tuple(value) if isinstance(value, list) else value
        if key in own["inputs"] and value != here:
            return f"inputs.{key} = {value!r}"
    return ""


def _normalised(model: Classifier) -> bool:
    return any(name.endswith("running_mean") for name in model.state_dict())
