r"""Bayesian prediction update: improve stored labels with the answers of ever newer models, without needless flips.

The belief ``b`` over an image's class starts uniform; when model ``t`` answers ``i`` it becomes

.. math::
    b_k \leftarrow \frac{\pi_t(i, k)\, b_k}{\sum_j \pi_t(i, j)\, b_j}, \qquad
    \pi_t(i, k) = P(\text{answer } i \mid \text{class } k)

The stored label follows by one of three rules. ``MB``: the most probable class. ``MBME``: that class, but only if the
entropy of the belief fell. ``CR``: that class, but only if it is more than ``cost_ratio`` times as probable as the
stored one. Under a budget only the images of highest entropy are asked again. Traeuble et al., "Backward-Compatible
Prediction Updates", 2021, arXiv:2107.01057.

Ours differs: between equally probable classes the stored label stays. As in the paper, not its later code, the belief
is updated whether or not the label changes, and CR compares with the stored label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = [
    "STRATEGIES",
    "BayesianUpdate",
    "bayesian_update",
    "confusion_from_labels",
    "entropy",
    "few_label_confusion",
    "most_uncertain",
    "update_belief",
]

STRATEGIES = ("MB", "MBME", "CR")


class BayesianUpdate(NamedTuple):
    """Where the stored predictions ended."""

    label: np.ndarray  #: ``(N,)`` int64, the stored class of each image
    posterior: np.ndarray  #: ``(N, C)`` float64, the belief
    asked: np.ndarray  #: ``(T,)`` int64, images that each model was asked about


def entropy(belief: np.ndarray) -> np.ndarray:
    """Return the entropy of each row in nats, ``(N,)`` from ``(N, C)``; a zero probability adds nothing.

    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(4).tolist()
    [0.0, 0.6931]
    """
    return -(belief * np.log(np.where(belief > 0, belief, 1))).sum(axis=1) + 0.0


def confusion_from_labels(
    prediction: np.ndarray, label: np.ndarray, *, classes: int, smoothing: float = 1.0
) -> np.ndarray:
    """Estimate how often a model gives each answer for each true class, all entries free.

    Args:
        prediction: The model's answers on labelled images, shape ``(M,)``.
        label: True classes, shape ``(M,)``.
        classes: Number of classes ``C``.
        smoothing: Added to every count, ``> 0``, so that no answer is impossible.

    Returns:
        ``(C, C)``, entry ``[i, k]`` is ``P(answer i | class k)``; columns add up to 1.

    Example:
        >>> confusion_from_labels([0, 0, 1], [0, 0, 1], classes=2).tolist()
        [[0.75, 0.3333333333333333], [0.25, 0.6666666666666666]]
    """
    prediction, label = np.asarray(prediction), np.asarray(label)
    checks.same_shape(prediction=prediction, label=label)
    checks.above(0, smoothing=smoothing)
    counts = (
        np.bincount(prediction * classes + label, minlength=classes * classes).reshape(classes, classes) + smoothing
    )
    return counts / counts.sum(axis=0)


def few_label_confusion(
    prediction: np.ndarray, label: np.ndarray, *, classes: int, smoothing: float = 1.0
) -> np.ndarray:
    """Estimate the confusion from few labels: each class's accuracy, its errors spread evenly over the others.

    A class's accuracy is drawn towards the overall one as if ``smoothing`` more images of that accuracy had been seen.

    Args:
        prediction: The model's answers on labelled images, shape ``(M,)``, ``M >= 1``.
        label: True classes, shape ``(M,)``.
        classes: Number of classes ``C >= 2``.
        smoothing: Images' worth of the overall accuracy, ``> 0``.

    Returns:
        ``(C, C)``, entry ``[i, k]`` is ``P(answer i | class k)``; columns add up to 1.

    Example:
        >>> few_label_confusion([0, 0, 1, 1], [0, 0, 1, 0], classes=2).round(4).tolist()
        [[0.6667, 0.1667], [0.3333, 0.8333]]
    """
    prediction, label = np.asarray(prediction), np.asarray(label)
    checks.same_shape(prediction=prediction, label=label)
    checks.above(0, smoothing=smoothing)
    checks.at_least(2, classes=classes)
    if not len(label):
        raise ValueError("a confusion needs at least one labelled image")
    right = prediction == label
    overall = (right.sum() + 1) / (len(label) + 2)  # never 0 or 1
    seen = np.bincount(label, minlength=classes)
    hits = np.bincount(label, weights=right, minlength=classes)
    own = (hits + smoothing * overall) / (seen + smoothing)
    spread = np.tile((1 - own) / (classes - 1), (classes, 1))
    np.fill_diagonal(spread, own)
    return spread


def update_belief(belief: np.ndarray, prediction: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Return the belief after one model's answers.

    Args:
        belief: Shape ``(N, C)``, rows add up to 1.
        prediction: The model's answers, shape ``(N,)``.
        confusion: ``P(answer i | class k)`` at ``[i, k]``, shape ``(C, C)``.

    Returns:
        Shape ``(N, C)``. A row to which the model's answer is impossible keeps its belief.

    Example:
        >>> update_belief(np.full((1, 2), 0.5), np.array([0]), np.array([[0.75, 0.25], [0.25, 0.75]])).tolist()
        [[0.75, 0.25]]
    """
    checks.logits_and_labels(belief, np.asarray(prediction))
    product = confusion[prediction] * belief
    total = product.sum(axis=1, keepdims=True)
    return np.where(total > 0, product / np.where(total > 0, total, 1), belief)


def most_uncertain(belief: np.ndarray, *, count: int) -> np.ndarray:
    """Return the rows of highest entropy, the best to ask a new model about, ``(min(count, N),)`` in rising order.

    >>> most_uncertain(np.array([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]]), count=2).tolist()
    [1, 2]
    """
    checks.at_least(0, count=count)
    return np.sort(np.argsort(-entropy(belief), kind="stable")[:count])


def bayesian_update(
    predictions: Sequence[np.ndarray],
    confusions: Sequence[np.ndarray],
    *,
    strategy: str = "CR",
    cost_ratio: float = 2.5,
    budget: float = 1.0,
) -> BayesianUpdate:
    """Fuse the answers of a sequence of models, oldest first.

    Args:
        predictions: The answers of each of ``T`` models, shape ``(N,)`` each; the first ones are the stored labels.
        confusions: ``P(answer i | class k)`` at ``[i, k]`` of each model, shape ``(C, C)`` each.
        strategy: ``MB``, ``MBME`` or ``CR``.
        cost_ratio: Of ``CR``: how many times worse a negative flip is than a positive one is good, ``>= 1``.
        budget: Share of the images that each later model is asked about, 0 to 1: those of highest entropy.

    Returns:
        Labels, belief and numbers of images asked.

    Raises:
        ValueError: If shapes differ or a setting is out of range.

    Example:
        >>> confusion = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
        >>> found = bayesian_update([[0], [1]], [confusion, confusion], cost_ratio=2)
        >>> found.label.tolist(), found.posterior.round(4).tolist()
        ([0], [[0.4706, 0.4706, 0.0588]])
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    checks.at_least(1, cost_ratio=cost_ratio)
    checks.in_range(0, 1, budget=budget)
    if len(predictions) == 0 or len(predictions) != len(confusions):
        raise ValueError(f"{len(predictions)} models answered but {len(confusions)} confusions were given")
    answers = [np.asarray(prediction, np.int64) for prediction in predictions]
    tables = [np.asarray(confusion, np.float64) for confusion in confusions]
    checks.same_shape(**{f"model {number}": answer for number, answer in enumerate(answers)})
    checks.same_shape(**{f"confusion {number}": table for number, table in enumerate(tables)})
    images, classes = len(answers[0]), tables[0].shape[1]
    stored = answers[0].copy()
    belief = update_belief(np.full((images, classes), 1 / classes), stored, tables[0])
    asked = [images]
    for answer, table in zip(answers[1:], tables[1:], strict=True):
        rows = most_uncertain(belief, count=round(budget * images))
        before = belief[rows]
        after = update_belief(before, answer[rows], table)
        belief[rows] = after
        stored[rows] = _relabel(stored[rows], before, after, strategy, cost_ratio)
        asked.append(len(rows))
    return BayesianUpdate(stored, belief, np.array(asked))


def _relabel(stored: np.ndarray, before: np.ndarray, after: np.ndarray, strategy: str, cost_ratio: float) -> np.ndarray:
    """Return the labels after one update by the rule."""
    each = np.arange(len(stored))
    likeliest = after.argmax(axis=1)
    best, held = after[each, likeliest], after[each, stored]
    margin = cost_ratio if strategy == "CR" else 1.0
    change = best > margin * held * (1 + 1e-12)  # rounding does not break a tie
    if strategy == "MBME":
        change &= entropy(after) < entropy(before)
    return np.where(change, likeliest, stored)
