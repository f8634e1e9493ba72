"""What the penalty between steps does to ``joint_model``: accuracy and change of weights at each strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from modelheir.analysis.arms import over_seeds
from modelheir.bench.pictures.lineage import copies_of
from modelheir.bench.pictures.members import Member
from modelheir.bench.pictures.planes import weight_rows
from modelheir.checks import InputError
from modelheir.metrics.geometry.weight_plane import weight_change
from modelheir.models.over_time import publish
from modelheir.report.figures.penalty import PenaltyLine

__all__ = ["accuracy_lines", "change_lines", "levels"]

_LEVELS = ("erm_final", "erm_all")


def accuracy_lines(members: Sequence[Member]) -> list[PenaltyLine]:
    """Return the accuracy of ``joint_model`` on the newest selection images over the strength, over seeds.

    Args:
        members: The seeds of one network on one sequence.

    Raises:
        InputError: If a run tried fewer than two strengths.
    """
    values: dict[float, list[float]] = {}
    for member in members:
        for strength, result in _tried(member).items():
            values.setdefault(strength, []).append(float(result.metrics["val/accuracy"]))
    return [_line("joint_model", values, most=1.0)]


def levels(members: Sequence[Member]) -> dict[str, float]:
    """Return the selection accuracy of what sees the newest step alone, and all steps together, where it was tried."""
    found = {}
    for strategy in _LEVELS:
        ends = [one.stage(one.ends[strategy]) for one in members if strategy in one.ends]
        if ends:
            found[strategy] = sum(float(one.metrics["val/accuracy"]) for one in ends) / len(ends)
    return found


def change_lines(members: Sequence[Member]) -> list[PenaltyLine]:
    """Return how far the copies of each layer are apart: the root of the summed squares over consecutive steps.

    Args:
        members: The seeds of one network on one sequence.
    """
    values: dict[str, dict[float, list[float]]] = {}
    for member in members:
        for strength, result in _tried(member).items():
            model = copies_of(result)
            rows = [weight_rows(publish(model, step)) for step in range(len(model.routes))]
            for layer, lengths in weight_change(rows).items():
                length = math.sqrt(sum(one**2 for one in lengths))
                values.setdefault(layer, {}).setdefault(strength, []).append(length)
    return [_line(layer, own, most=math.inf) for layer, own in values.items()]


def _tried(member: Member) -> dict[float, Any]:
    """Return the stages of ``joint_model`` by strength, in order."""
    member.end("joint_model", "its penalty is what is drawn")
    found = {}
    for place in sorted((member.folder.path / "stages").glob("[0-9]*_joint_model_steps*")):
        name = place.name.partition("_")[2]
        told = member.stage(name).describe.get("adjacent", {})
        if name.endswith(member.suffix) and told.get("kind", "none") != "none":
            found[float(told["weight"])] = member.stage(name)
    if len(found) < 2 or max(found) <= 0:
        raise InputError(
            f"{member.folder.path} tried {len(found)} strengths of the penalty, and the picture is over several: train "
            "with more of --method.joint.adjacent_weights, such as 0, 0.01, 0.1 and 1."
        )
    return dict(sorted(found.items()))


def _line(name: str, values: dict[float, list[float]], *, most: float) -> PenaltyLine:
    means = {strength: over_seeds(values[strength], within=(0.0, most)) for strength in sorted(values)}
    return PenaltyLine(name, [(s, float(mean)) for s, (mean, _) in means.items()], [ends for _, ends in means.values()])
