"""Accuracy between a strategy's model before it saw the newest step and its last one, over seeds: a panel a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modelheir import inference
from modelheir.analysis.arms import over_seeds
from modelheir.bench.pictures.lineage import Line, line_of
from modelheir.bench.pictures.members import Member
from modelheir.bench.pictures.worlds import World
from modelheir.models.blends.line import LinePoint, Rule, accuracy_line
from modelheir.report.figures.interpolation import BASIN_COLUMNS, BasinLine, basin_rows
from modelheir.types import Progress

__all__ = ["COLUMNS", "basin"]

COLUMNS = ("panel", *BASIN_COLUMNS, "accuracy_as_mixed")


def basin(
    members: Sequence[tuple[Member, World]],
    strategies: Sequence[str],
    *,
    mode: str,
    points: int,
    progress: Progress,
) -> tuple[list[BasinLine], list[dict[str, Any]]]:
    """Score the lines of strategies.

    Args:
        members: The seeds of one network on one sequence, and their data.
        strategies: Which; those that train nothing after the past are passed over.
        mode: ``fixed``: statistics of batch normalisation are estimated anew on the newest training images at every
            point; ``compat``: as the older code did, which moved convolutions and linear layers alone.
        points: Models on each line, ``>= 2``, both ends among them.
        progress: Told of each line.

    Returns:
        The lines, means over seeds, and a row a point.
    """
    places = tuple(np.linspace(0.0, 1.0, points).tolist())
    lines, rows = [], []
    for strategy in strategies:
        scored, kind = [], ""
        for member, world in members:
            found = line_of(member, strategy)
            if found is not None:
                progress.stage(f"{member.title}: {strategy}", points * (2 if mode == "fixed" else 1))
                scored.append(_score(found, world, mode, places, progress.advance))
                kind = found.kind
        if not scored:
            continue
        shown = np.array([[one.recalibrated if mode == "fixed" else one.accuracy for one in line] for line in scored])
        means = [over_seeds(column.tolist(), within=(0.0, 1.0)) for column in shown.T]
        pairs = [(v, float(mean)) for v, (mean, _) in zip(places, means, strict=True)]
        lines.append(BasinLine(strategy, kind, pairs, [ends for _, ends in means]))
        mixed = np.mean([[one.accuracy for one in line] for line in scored], axis=0)
        own = zip(basin_rows(lines[-1:]), mixed, strict=True)
        rows += [{**row, "accuracy_as_mixed": float(value)} for row, value in own]
    return lines, rows


def _rule(mode: str, line: Line) -> Rule:
    """Return the rule by which a line is mixed.

    Args:
        mode: ``fixed`` or ``compat``.
        line: Its ends; a single ResNet by ``compat`` is the start up to the end.
    """
    if mode == "fixed":
        return "fixed"
    return "compat_resnet" if line.end.spec["name"] == "blocks_resnet" and not line.copies else "compat"


def _score(
    line: Line, world: World, mode: str, places: Sequence[float], advance: Callable[[int], None]
) -> list[LinePoint]:
    test = world.newest.evaluation()["test"]

    def score(model: Any) -> float:
        found = inference.predict_model(model, test, world.newest.runtime)
        advance(len(found))
        return float((found.prediction == found.label).mean())

    def batches() -> Any:
        return world.newest.stream("train", train=False, shuffle=True, rank=0, world=1).epoch(0)

    device = world.newest.runtime.device
    return accuracy_line(
        line.start.to(device),
        line.end.to(device),
        score,
        batches=batches if mode == "fixed" else None,
        points=places,
        rule=_rule(mode, line),
        added=line.added,
    )
