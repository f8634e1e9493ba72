"""What penalties do to joint models: accuracy and change of weights at each strength that a run tried.

Change is what the penalty sees, normalisation included: the root of the sum over steps of squared differences.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.analysis.arms import over_seeds
from modelheir.bench.pictures.members import Member, NothingToDraw
from modelheir.checks import InputError
from modelheir.report.figures.penalty import PenaltyLine

__all__ = ["accuracy_lines", "change_lines", "decay_lines", "levels"]

_LEVELS = ("erm_final", "erm_all")
_EFFICIENT = ("joint_side_tune", "joint_low_rank_adapt")


def accuracy_lines(members: Sequence[Member]) -> list[PenaltyLine]:
    """Return the accuracy of ``joint_model`` on the newest selection images over the strength, over seeds.

    Args:
        members: The seeds of one network on one sequence.

    Raises:
        NothingToDraw: If a run tried fewer than two strengths.
    """
    values: dict[float, list[float]] = {}
    for member in members:
        for strength, row in _tried(member).items():
            values.setdefault(strength, []).append(float(row["selection"]))
    return [_line("joint_model", values, most=1.0)]


def decay_lines(members: Sequence[Member]) -> list[PenaltyLine]:
    """Return the accuracy on the newest selection images over the weight decay of side modules or low-rank changes.

    Where a run tried several strengths between steps too, each decay counts with its best.

    Args:
        members: The seeds of one network on one sequence.

    Returns:
        A line a strategy; none where no run tried several decays.
    """
    values: dict[str, dict[float, list[float]]] = {}
    for strategy, member in itertools.product(_EFFICIENT, members):
        rows = _rows(member, strategy, "efficient_decay") if strategy in member.ends else {}
        for decay, row in rows.items():
            values.setdefault(strategy, {}).setdefault(decay, []).append(float(row["selection"]))
    return [_line(strategy, own, most=1.0) for strategy, own in values.items() if len(own) > 1]


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
        for strength, row in _tried(member).items():
            for name, length in row.get("measured", {}).items():
                values.setdefault(name.removeprefix("change/"), {}).setdefault(strength, []).append(float(length))
    return [_line(layer, own, most=math.inf) for layer, own in values.items()]


def _tried(member: Member) -> dict[float, Mapping[str, Any]]:
    """Return what ``joint_model`` came to at each strength, in order; those that failed are left out."""
    found = _rows(member, "joint_model", "adjacent_weight")
    if len(found) < 2:
        raise NothingToDraw(
            f"{member.folder.path} has joint_model at fewer than two strengths of the penalty, and the picture is over "
            "several: train with more of --method.joint.adjacent_weights, such as 0, 0.01, 0.1 and 1."
        )
    if not all(row.get("measured") for row in found.values()):
        raise InputError(
            f"{member.folder.path} did not measure how far steps are apart, as it is of an earlier version: train it "
            "again into another --out."
        )
    return found


def _rows(member: Member, strategy: str, setting: str) -> dict[float, Mapping[str, Any]]:
    """Return what the tried values of a setting came to, in order: of those that share one, the best."""
    about = member.end(strategy, "its penalty is what is drawn").describe
    rows = [row for row in about.get("grid", {}).get("members", ()) if row.get("selection") is not None]
    ranked = sorted((row for row in rows if setting in row["setting"]), key=lambda row: float(row["selection"]))
    return dict(sorted({float(row["setting"][setting]): row for row in ranked}.items()))


def _line(name: str, values: dict[float, list[float]], *, most: float) -> PenaltyLine:
    means = {strength: over_seeds(values[strength], within=(0.0, most)) for strength in sorted(values)}
    return PenaltyLine(name, [(s, float(mean)) for s, (mean, _) in means.items()], [ends for _, ends in means.values()])
