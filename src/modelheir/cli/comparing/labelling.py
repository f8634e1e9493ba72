"""Fewer labels: write the ids worth labelling, and give the verdict when their labels are back."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from modelheir import analysis, assemble, runs
from modelheir.address import predictions_place
from modelheir.checks import InputError
from modelheir.cli.comparing.comparison_text import show_labelled
from modelheir.report.table import to_csv
from modelheir.runs.files import write_json, write_text
from modelheir.runs.outputs import check_outputs
from modelheir.screen import say

if TYPE_CHECKING:
    from modelheir.analysis.labelling.draw import Questions

__all__ = ["by_labels", "wants_labels"]

_SHARED = {"help", "old", "new", "split", "classes", "labels"}
_ASK = {"label_budget", "ask"}


def wants_labels(given: argparse.Namespace) -> bool:
    """Tell whether a call asks for labels or brings those of disagreements."""
    return bool(given.ask or given.labels) or given.label_budget is not None


def by_labels(
    given: argparse.Namespace, parser: argparse.ArgumentParser, gate: analysis.GateConfig, classes: list[str] | None
) -> int:
    """Ask for labels, or judge by them; return the exit code of ``modelheir compare``.

    Raises:
        InputError: If settings do not go together, or what was given cannot be compared.
    """
    budget: int | None = given.label_budget
    asks = bool(given.ask) or budget is not None
    judging = {"json", *(field.name for field in dataclasses.fields(gate))} - {"min_class_count"}
    _refuse_others(given, parser, _SHARED | (_ASK if asks else judging), asks)
    if asks and (budget is None or not given.ask):
        raise InputError("--label-budget N and --ask FILE go together: how many labels, and where to write the ids.")
    places = [predictions_place(place) for place in (given.old, given.new)]
    files, _ = runs.find_files(places, given.split)
    read = [*files, *(path for path in (given.labels, given.classes, given.policy) if path)]
    check_outputs([path for path in (given.ask, given.json) if path], read)
    old, new, labels, names = assemble.read_pair(files[0], files[1], given.labels, classes=classes)
    if budget is not None:
        found = analysis.worth_labelling(old, new, budget=budget, labels=labels, names=names)
        write_text(given.ask, to_csv(found.asked, ["sample_id", "old", "new", "why"]))
        _say_asked(found, budget, given.ask)
        return 0
    short = runs.short_names(places)
    result = analysis.compare_labelled(old, new, labels, gate=gate, names=names)
    result = dataclasses.replace(result, old=names[0], new=names[1])
    show_labelled(result, names=(short[0], short[1]))
    if given.json:
        write_json(given.json, result)
        say(f"Numbers: {given.json}")
    return result.gate.exit_code


def _refuse_others(given: argparse.Namespace, parser: argparse.ArgumentParser, known: set[str], asks: bool) -> None:
    """Refuse settings that would change nothing here."""
    for action in parser._actions:
        if action.dest not in known and getattr(given, action.dest, None) != action.default:
            does = "--ask judges nothing" if asks else "--labels brings the labels of disagreements alone"
            raise InputError(f"{does}: leave out {(action.option_strings or [action.dest])[0]}.")


def _say_asked(found: Questions, budget: int, path: Path) -> None:
    say(f"{found.n:,} images, {found.n_disagreeing:,} disagreements: only their labels decide NFR and the gain.")
    if budget > found.n_disagreeing:
        say(f"Note: the budget of {budget:,} is above the {found.n_disagreeing:,} disagreements: all are in the draw.")
    if found.n_labelled:
        say(f"Note: {found.n_labelled:,} of the draw have a label already and are not asked for.")
    say(f"Ids to label: {path} ({len(found.asked):,}); then compare with --labels FILE (sample_id, label).")
