"""Outputs of old models that are kept, one row a sample, in place of running the models at every step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from modelheir import data, models
from modelheir.address import parse_address
from modelheir.classes import BY_NAME, BY_ORDER_ADVICE, ClassList, ClassMatch, match_classes
from modelheir.metrics.ensemble import ensemble_predictions
from modelheir.metrics.unknown_classes import unknown_classes
from modelheir.runs.predictions import read_predictions

if TYPE_CHECKING:
    from modelheir.data import ImageSet
    from modelheir.models import StoredOutputs
    from modelheir.types import Predictions

__all__ = ["is_predictions", "match_old", "read_outputs", "stored_outputs"]


def is_predictions(spec: str) -> bool:
    """Tell whether an ``--old`` names a file of predictions rather than a model."""
    return parse_address(spec).kind == "predictions"


def match_old(classes: tuple[str, ...], theirs: ClassList, said: str, *, rule: str) -> ClassMatch:
    """Match the data's classes with those of an old model, called ``said`` in errors."""
    sides = ("the data", said)
    return match_classes(classes, theirs, rule=rule, names=sides, advice=BY_ORDER_ADVICE)


def read_outputs(
    specs: Sequence[str],
    weights: Sequence[float],
    classes: tuple[str, ...],
    *,
    rule: str = BY_NAME,
    flag: str = "--old",
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
    if not found.in_order or found.together is None or width is None:
        return together
    return dataclasses.replace(together, classes=tuple(found.together[number] for number in found.numbers_together))


def _known(found: Predictions) -> Predictions:
    missing = unknown_classes(found.logits, found.classes)
    if found.logits is None and found.probabilities is not None and found.classes is not None:
        never = (found.probabilities == 0).all(axis=0)
        missing = tuple(name for name, absent in zip(found.classes, never, strict=True) if absent)
    if not missing or found.classes is None:
        return found
    columns = [number for number, name in enumerate(found.classes) if name not in missing]
    place = np.full(len(found.classes) + 1, -1)  # the last for a label of -1
    place[columns] = np.arange(len(columns))
    return dataclasses.replace(
        found,
        label=place[found.label],
        prediction=place[found.prediction],
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
    if 0 < len(absent) <= max_bad_share * len(images):
        found = _padded(found, absent.ids[[row for row, _ in data.verify.each(absent, absent.image)]])
    return models.StoredOutputs.from_predictions(found, ids)


def _padded(found: Predictions, ids: np.ndarray) -> Predictions:
    """Append rows that are not a number."""

    def longer(values: np.ndarray | None, fill: float = np.nan) -> np.ndarray | None:
        if values is None:
            return None
        return np.concatenate([values, np.full((len(ids), *values.shape[1:]), fill, values.dtype)])

    return dataclasses.replace(
        found,
        sample_id=np.concatenate([found.sample_id, ids]),
        label=longer(found.label, -1),
        prediction=longer(found.prediction, -1),
        logits=longer(found.logits),
        probabilities=longer(found.probabilities),
        features=longer(found.features),
        columns={},
    )
