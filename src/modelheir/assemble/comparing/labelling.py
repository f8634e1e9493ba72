"""Fewer labels, as calls: two models and the labels that are there, from files, run folders or memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelheir import analysis
from modelheir.address import predictions_place
from modelheir.checks import InputError
from modelheir.classes import match_classes
from modelheir.runs.by_id.labels import read_labels
from modelheir.runs.prediction_files import find_files
from modelheir.runs.predictions import read_predictions
from modelheir.types import Predictions

if TYPE_CHECKING:
    from modelheir.analysis.labelling.draw import Labels, Questions
    from modelheir.analysis.labelling.labelled import Labelled

__all__ = ["Read", "compare_labelled", "read_pair", "refuse_slices", "worth_labelling"]


class Read(NamedTuple):
    """Two models, the labels beside theirs, and what to call the two in errors."""

    old: Predictions
    new: Predictions
    labels: Labels | None
    names: tuple[str, str]


def read_pair(
    old: str | Path | Predictions,
    new: str | Path | Predictions,
    labels: str | Path | None,
    *,
    split: str | None = None,
    classes: Sequence[str] | None = None,
) -> Read:
    """Read what is not in memory yet; classes are those of the predictions, or given by number."""
    found: list[Predictions] = []
    names: list[str] = []
    for number, one in enumerate((old, new)):
        if not isinstance(one, Predictions):
            path = find_files([predictions_place(str(one))], split)[0][0]
            names.append(str(path))
            found.append(read_predictions(path, classes=classes, columns=()))
        else:
            names.append(f"model {number + 1}")
            found.append(one)
    before, after = found
    both = (names[0], names[1])
    named = before.classes or after.classes
    if before.classes and after.classes:
        named = match_classes(before.classes, after.classes, names=both).together
    return Read(before, after, None if labels is None else read_labels(labels, classes=named), both)


def refuse_slices(slices: Sequence[str]) -> None:
    """Refuse columns to slice by, which a policy may name.

    Raises:
        InputError: If there are any.
    """
    if slices:
        raise InputError("slices need the labels of all images, not those of disagreements alone: leave them out.")


def worth_labelling(
    old: str | Path | Predictions,
    new: str | Path | Predictions,
    label_budget: int,
    *,
    labels: str | Path | None = None,
    split: str | None = None,
    classes: Sequence[str] | None = None,
) -> Questions:
    """Choose the images whose labels decide between two models, as ``modelheir compare --ask`` does.

    Args:
        old: The model in production, as in :func:`modelheir.compare`; labels may be missing (-1).
        new: The model that is to replace it.
        label_budget: Disagreements in the draw, ``>= 1``; more than there are asks for all.
        labels: File of labels that are there already.
        split: Split to read from run folders.
        classes: Class names by number, for files without them.

    Returns:
        ``asked``, each with ``sample_id``, ``old``, ``new`` and ``why``, and the numbers of images and disagreements.

    Raises:
        InputError: If the budget is below 1, or what was given contradicts itself.
    """
    found = read_pair(old, new, labels, split=split, classes=classes)
    return analysis.worth_labelling(found.old, found.new, budget=label_budget, labels=found.labels, names=found.names)


def compare_labelled(
    old: str | Path | Predictions,
    new: str | Path | Predictions,
    labels: str | Path | None = None,
    *,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    max_nfr: float | None = None,
    min_accuracy_gain: float | None = None,
    max_churn: float | None = None,
    policy: str | Path | None = None,
    confidence: float | None = None,
    point: bool | None = None,
    undecided: str | None = None,
    sequential: bool | None = None,
) -> Labelled:
    """Judge two models by labels of images on which they disagree, as ``modelheir compare --labels`` does.

    Args:
        old: The model in production, as in :func:`modelheir.compare`; labels may be missing (-1).
        new: The model that is to replace it.
        labels: File with ``sample_id`` and ``label``; ``None`` takes those in the predictions alone.
        split: Split to read from run folders.
        classes: Class names by number, for files without them.
        max_nfr: As in :func:`modelheir.compare`, and so all that follow.
        min_accuracy_gain: Smallest new minus old accuracy.
        max_churn: Largest share of predictions that changed.
        policy: A YAML file of bounds.
        confidence: Coverage of all intervals.
        point: Judge the estimates.
        undecided: What ``gate.exit_code`` is where the labels are too few.
        sequential: Judge by intervals that allow to look after every label.

    Returns:
        Rates with intervals, and the verdict, about the population that all images come from.

    Raises:
        InputError: If a bound needs the labels of all images, no label counts, or what was given contradicts itself.
    """
    given = {
        **{"max_nfr": max_nfr, "min_accuracy_gain": min_accuracy_gain, "max_churn": max_churn},
        **{"confidence": confidence, "point": point, "undecided": undecided, "sequential": sequential},
    }
    gate, slices = analysis.make_gate(policy, given)
    refuse_slices(slices)
    found = read_pair(old, new, labels, split=split, classes=classes)
    return analysis.compare_labelled(found.old, found.new, found.labels, gate=gate, names=found.names)
