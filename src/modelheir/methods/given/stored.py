"""Outputs of old models that are kept, one row a sample, in place of running the models at every step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from modelheir import data, models
from modelheir.address import parse_address
from modelheir.classes import BY_ORDER_ADVICE, ClassList, ClassMatch, match_classes, renumber
from modelheir.metrics.ensemble import ensemble_predictions
from modelheir.metrics.unknown_classes import unknown_classes
from modelheir.runs.predictions import read_predictions

if TYPE_CHECKING:
    from modelheir.data import ImageSet
    from modelheir.models import StoredOutputs
    from modelheir.types import Predictions

__all__ = ["is_cache", "is_predictions", "match_old", "read_outputs", "stored_outputs"]


def is_predictions(spec: str) -> bool:
    """Tell whether an ``--old`` names a file of predictions rather than a model."""
    return parse_address(spec).kind == "predictions"


def is_cache(spec: str) -> bool:
    """Tell whether an ``--old`` names a teacher cache rather than a model."""
    return parse_address(spec).kind == "cache"


def match_old(classes: tuple[str, ...], theirs: ClassList, said: str, *, rule: str) -> ClassMatch:
    """Match the data's classes with those of an old model, called ``said`` in errors."""
    sides = ("the data", said)
    return match_classes(classes, theirs, rule=rule, names=sides, advice=BY_ORDER_ADVICE)


def read_outputs(
    specs: Sequence[str], weights: Sequence[float] | None, classes: tuple[str, ...], *, rule: str, flag: str
) -> Predictions:
    """Read files of predictions, averaged; columns that are matched in order get the names of ``classes``.

    Columns of classes that a model does not know are left out, as the model itself has none.

    Raises:
        InputError: If a file cannot be read, or shares no class with the data.
    """
    files = [_known(read_predictions(parse_address(spec).path)) for spec in specs]
    together = files[0] if len(files) == 1 else ensemble_predictions(files, weights=weights)
    scores = together.logits if together.logits is not None else together.probabilities
    width = None if scores is None else scores.shape[1]
    found = match_old(classes, together.classes or width, f"{flag} {', '.join(specs)}", rule=rule)
    return dataclasses.replace(together, classes=found.theirs_together)


def _known(found: Predictions) -> Predictions:
    """Leave out the classes that the model of a file does not know."""
    if found.classes is None:
        return found
    missing = unknown_classes(found.logits, found.classes)
    if found.logits is None and found.probabilities is not None:
        never = (found.probabilities == 0).all(axis=0)
        missing = tuple(name for name, absent in zip(found.classes, never, strict=True) if absent)
    if not missing:
        return found
    columns = [number for number, name in enumerate(found.classes) if name not in missing]
    place = np.full(len(found.classes), -1)
    place[columns] = np.arange(len(columns))
    return dataclasses.replace(
        found,
        label=renumber(found.label, place),
        prediction=renumber(found.prediction, place),
        logits=None if found.logits is None else found.logits[:, columns],
        probabilities=None if found.probabilities is None else found.probabilities[:, columns],
        classes=tuple(found.classes[number] for number in columns),
    )


def stored_outputs(found: Predictions, images: ImageSet, ids: np.ndarray, *, max_bad_share: float) -> StoredOutputs:
    """Arrange outputs as a teacher of a stream's samples; an undecodable image, which no batch shows, may lack them.

    Args:
        found: Outputs by sample id.
        images: The split.
        ids: The stream's samples, all of the split.
        max_bad_share: Share of the split that may be undecodable.

    Raises:
        InputError: If the outputs of a decodable image are missing.
    """
    absent = images.subset(np.isin(images.ids, ids) & ~np.isin(images.ids, found.sample_id))
    bad = data.verify.each(absent, absent.image) if len(absent) <= max_bad_share * len(images) else []
    return models.StoredOutputs.from_predictions(found, ids, unseen=[absent.ids[row] for row, _ in bad])
