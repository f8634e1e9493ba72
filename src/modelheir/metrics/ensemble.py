r"""Ensembles of predictions: average logits, or average probabilities; the two can name different classes.

.. math:: z = \frac{\sum_m w_m z_m}{\sum_m w_m} \qquad\text{or}\qquad p = \frac{\sum_m w_m\,softmax(z_m)}{\sum_m w_m}

The mean of logits is eq. 10 of Yan et al., 2021, arXiv:2011.09161. An average of averages is right when each is weighed
by the models it already holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.classes import ClassMatch, match_classes, some_names
from modelheir.metrics.confidence import softmax
from modelheir.metrics.join import pair_rows
from modelheir.metrics.unknown_classes import unknown_classes
from modelheir.types import Predictions

__all__ = ["aligned_scores", "average", "ensemble_predictions", "probabilities_of"]


def average(members: Sequence[np.ndarray], *, weights: Sequence[float] | None = None) -> np.ndarray:
    """Return the weighted mean of the members' logits, or of their probabilities.

    Args:
        members: One array ``(N, C)`` a model.
        weights: One a model, ``>= 0``, not all 0; ``None`` weighs all alike.

    Returns:
        Shape ``(N, C)``, float64.

    Raises:
        ValueError: If there are no members, shapes differ or the weights are not usable.

    Example:
        >>> average([np.array([[3.0]]), np.array([[0.0]])], weights=[2, 1]).tolist()
        [[2.0]]
    """
    if not members:
        raise ValueError("an average needs at least one member")
    weights = [1.0] * len(members) if weights is None else [float(weight) for weight in weights]
    if len(weights) != len(members):
        raise ValueError(f"{len(weights)} weights were given for {len(members)} members")
    total = sum(weights)
    if min(weights) < 0 or not 0 < total < float("inf"):
        raise ValueError(f"weights must be >= 0 and not all 0, got {weights}")
    checks.same_shape(**{f"member {number}": member for number, member in enumerate(members)})
    mean = np.zeros(members[0].shape)
    for member, weight in zip(members, weights, strict=True):
        mean += np.asarray(member, np.float64) * (weight / total)
    return mean


def probabilities_of(predictions: Predictions, name: str = "a file") -> np.ndarray:
    """Return probabilities ``(N, C)`` of predictions that hold logits or probabilities.

    Raises:
        InputError: If they hold neither.
    """
    if predictions.probabilities is not None:
        return np.asarray(predictions.probabilities, np.float64)
    if predictions.logits is None:
        raise InputError(f"{name} has neither logits nor probabilities: an ensemble needs one of them.")
    return softmax(predictions.logits)


def aligned_scores(
    members: Sequence[Predictions], *, by: str = "logits", names: Sequence[str] | None = None
) -> list[np.ndarray]:
    """Return what several models said about the same images, rows joined by sample id and columns by class name.

    Args:
        members: One a model; the first gives the order of rows and columns.
        by: ``logits`` or ``probabilities``.
        names: What to call the members in errors.

    Returns:
        One array ``(N, C)`` a model.

    Raises:
        InputError: If ids, labels, class names (in whatever order) or numbers of classes differ, or scores are missing.
    """
    checks.one_of(("logits", "probabilities"), by=by)
    called = _called(members, names)
    scores: list[np.ndarray] = []
    for member, name in zip(members, called, strict=True):
        first = members[0]
        matched = _same_classes(first, member, called[0], name)
        rows = pair_rows(first, member, numbers=None if matched is None else matched.to_ours, names=(called[0], name))
        found = member.logits if by == "logits" else probabilities_of(member, name)
        if found is None:
            raise InputError(f"{name} has no logits: average probabilities instead (--by probabilities).")
        if scores and found.shape[1] != scores[0].shape[1]:
            raise InputError(f"{name} has {found.shape[1]} classes, {called[0]} has {scores[0].shape[1]}.")
        found = found if rows is None else found[rows]
        scores.append(found if matched is None else found[:, matched.to_theirs])
    return scores


def ensemble_predictions(
    members: Sequence[Predictions],
    *,
    weights: Sequence[float] | None = None,
    by: str = "logits",
    names: Sequence[str] | None = None,
) -> Predictions:
    """Average what several models said about the same images; rows are joined by sample id.

    Args:
        members: One a model; the first gives order, labels and columns.
        weights: One a model, ``>= 0``; ``None`` weighs all alike.
        by: ``logits`` or ``probabilities``.
        names: What to call the members in errors.

    Returns:
        Predictions with ``logits`` or ``probabilities``, as asked.

    Raises:
        InputError: If ids, labels, class names (in whatever order) or numbers of classes differ, scores are missing,
            or the logits are of models that do not know the same classes.
        ValueError: If the weights are not usable.
    """
    called = _called(members, names)
    scores = aligned_scores(members, by=by, names=called)
    if by == "logits":
        _same_known_classes(members, called)
    mean = average(scores, weights=weights)
    return Predictions(
        sample_id=members[0].sample_id,
        label=members[0].label,
        prediction=mean.argmax(axis=1).astype(np.int64),
        logits=mean if by == "logits" else None,
        probabilities=mean if by == "probabilities" else None,
        classes=members[0].classes,
        columns=members[0].columns,
    )


def _called(members: Sequence[Predictions], names: Sequence[str] | None) -> list[str]:
    return list(names) if names is not None else [f"member {number + 1}" for number in range(len(members))]


def _same_known_classes(members: Sequence[Predictions], called: Sequence[str]) -> None:
    first = members[0]
    for member, name in zip(members, called, strict=True):
        here, there = (set(unknown_classes(one.logits, one.classes)) for one in (first, member))
        if here != there:
            raise InputError(
                f"{called[0]} and {name} do not know the same classes (only one of them knows "
                f"{', '.join(sorted(here ^ there)[:5])}): average probabilities instead (--by probabilities)."
            )


def _same_classes(first: Predictions, member: Predictions, called: str, name: str) -> ClassMatch | None:
    """Match a member's classes with the first one's; ``None`` where all stand in one order, or one has no names."""
    if not first.classes or not member.classes:
        return None
    found = match_classes(first.classes, member.classes, names=(called, name))
    if found.lacking or found.further:
        raise InputError(
            f"{called} and {name} do not name the same classes (only one of them has "
            f"{some_names([*found.lacking, *found.further], 5)}): an average needs one class list."
        )
    return None if found.identical else found
