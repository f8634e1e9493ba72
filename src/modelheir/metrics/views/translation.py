r"""The independence test of Meta Co-Training: can one view be translated into the other, and is the class still there?

View ``a`` is translated into view ``b``, and a linear classifier is trained on the translation. An accuracy far below
that of a classifier on ``b`` itself says that ``a`` carries little of what ``b`` knows (Rothenberger and Diochnos,
arXiv:2311.18083, who translate by an MLP). Ours translates by ridge regression, in closed form, and so are the
classifiers: regression onto the classes as 0 and 1, the largest value wins. A linear map finds no more than an MLP.

The test has a limit that the paper does not name: both views tell of the class, so ``a`` tells of ``b`` through the
class even where the two are independent given it. So the share of ``b``'s variance *within the classes* that the
translation explains stands beside it, on images that had no part in fitting:

.. math:: R^2_{within} = 1 - \frac{\sum \|\tilde b - g(\tilde a)\|^2}{\sum \|\tilde b\|^2}, \qquad
          \tilde a = a - \bar a_y, \quad \tilde b = b - \bar b_y

with class means of the training images. It is about 0, or a little below, for views that are independent given the
class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modelheir import checks
from modelheir.metrics.views.ridge import fit_ridge

__all__ = ["Translation", "probe_accuracy", "translation"]


class Translation(NamedTuple):
    """How much of view ``b`` view ``a`` carries; all on images that had no part in fitting."""

    own_accuracy: float  #: of the probe of ``b`` itself, 0 to 1
    translated_accuracy: float  #: of the probe on ``a`` translated into ``b``
    source_accuracy: float  #: of the probe of ``a`` itself
    chance: float  #: of the training images' most frequent class
    ratio: float  #: (translated - chance) / (own - chance), 1 where all of it is carried; NaN where ``b`` knows nothing
    explained: float  #: share of the variance of ``b`` that the translation explains, at most 1
    explained_within: float  #: the same within the classes: about 0 for views that are independent given the class


def translation(a: np.ndarray, b: np.ndarray, label: np.ndarray, held_out: np.ndarray) -> Translation:
    """Translate view ``a`` into view ``b`` and see what is left.

    Args:
        a: Vectors of one view, ``(N, D_a)``.
        b: Vectors of the other view of the same images, ``(N, D_b)``.
        label: True classes, ``(N,)``; -1 is none: such rows train the translation alone.
        held_out: Which rows are for the accuracies, ``(N,)`` bool; all labelled, and never fitted on.

    Raises:
        ValueError: If shapes do not fit, a held-out row has no label, or fewer than three labelled rows of two classes
            are left to train on.

    Example:
        >>> draw = np.random.default_rng(0).normal
        >>> label = np.arange(400) % 2
        >>> a, b = (draw(size=(400, 3)) + 2 * label[:, None] for _ in "ab")
        >>> found = translation(a, b, label, np.arange(400) >= 200)
        >>> found.ratio > 0.9, abs(found.explained_within) < 0.1
        (True, True)
    """
    a, b, label, held_out = np.asarray(a), np.asarray(b), np.asarray(label), np.asarray(held_out, bool)
    checks.two_dimensional(a=a, b=b)
    checks.same_length(a=a, b=b, label=label, held_out=held_out)
    train, known = ~held_out, ~held_out & (label >= 0)
    if (label[held_out] < 0).any() or not held_out.any():
        raise ValueError("held-out rows are needed, each with a label")
    if len(np.unique(label[known])) < 2:
        raise ValueError("labels of at least two classes are needed outside the held-out rows")
    there = fit_ridge(a[train], b[train])
    said = there.predict(a)
    own, source, carried = (probe_accuracy(x, label, known, held_out) for x in (b, a, said))
    classes, counts = np.unique(label[known], return_counts=True)
    chance = float((label[held_out] == classes[counts.argmax()]).mean())
    centred = b[held_out] - b[train].mean(axis=0)
    return Translation(
        own_accuracy=own,
        translated_accuracy=carried,
        source_accuracy=source,
        chance=chance,
        ratio=(carried - chance) / (own - chance) if own > chance else float("nan"),
        explained=_explained(centred, b[held_out] - said[held_out]),
        explained_within=_within(a, b, label, known, held_out),
    )


def probe_accuracy(x: np.ndarray, label: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> float:
    """Return the accuracy of a linear classifier in closed form.

    Args:
        x: Vectors ``(N, D)``.
        label: True classes, ``(N,)``.
        train: Which rows it is fitted on, ``(N,)`` bool, all labelled.
        held_out: Which rows it is judged on.

    Returns:
        Fraction, 0 to 1; a class without a training row is never named.
    """
    classes, code = np.unique(label[train], return_inverse=True)
    fitted = fit_ridge(x[train], np.eye(len(classes))[code])
    return float((classes[fitted.predict(x[held_out]).argmax(axis=1)] == label[held_out]).mean())


def _within(a: np.ndarray, b: np.ndarray, label: np.ndarray, known: np.ndarray, held_out: np.ndarray) -> float:
    classes, code = np.unique(label[known], return_inverse=True)
    judged = held_out & np.isin(label, classes)
    where = np.searchsorted(classes, label[judged])
    residuals = []
    for x in (a, b):
        means = np.zeros((len(classes), x.shape[1]))
        np.add.at(means, code, x[known])
        means /= np.bincount(code)[:, None]
        residuals.append((x[known] - means[code], x[judged] - means[where]))
    (a_train, a_judged), (b_train, b_judged) = residuals
    return _explained(b_judged, b_judged - fit_ridge(a_train, b_train).predict(a_judged))


def _explained(whole: np.ndarray, rest: np.ndarray) -> float:
    total = float((whole**2).sum())
    return 1 - float((rest**2).sum()) / total if total else float("nan")
