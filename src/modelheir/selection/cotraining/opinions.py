r"""What each view says of every row, and what the others together say to it: one label and how sure it is.

To view ``v`` the others say, with the probabilities ``p_w`` of view ``w``,

.. math:: \hat y = \arg\max_c \prod_{w \ne v} p_w(c), \qquad
          confidence = \Bigl(\prod_{w \ne v} p_w(\hat y)\Bigr)^{1/(V-1)}

Of two views this is what the other one says. The published code for more views takes the product over ``V`` instead of
its root: the same order of rows, but a number that no threshold fits. The product is not made to add up to 1, so that
views that are all alike order the rows as one of them does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = ["Opinion", "agreement", "own_opinions", "teachings"]

_CELLS = 2**18  #: of a block of rows, which a processor's cache holds
_LEAST = 1e-300  #: what a probability of 0 counts as in a product


class Opinion(NamedTuple):
    """A label for each row."""

    label: np.ndarray  #: int64 ``(N,)``; of equally likely classes the first
    confidence: np.ndarray  #: float64 ``(N,)``, 0 to 1


def own_opinions(probabilities: Sequence[np.ndarray]) -> list[Opinion]:
    """Return what each view says itself.

    Args:
        probabilities: One array ``(N, C)`` a view, of the same rows in the same order.

    Raises:
        ValueError: If there is no view, shapes differ, or a value is no probability.
    """
    _check(probabilities)
    return [_opinion(view) for view in probabilities]


def teachings(probabilities: Sequence[np.ndarray]) -> list[Opinion]:
    """Return what the other views together say to each view.

    Args:
        probabilities: One array ``(N, C)`` a view, at least two views, of the same rows in the same order.

    Raises:
        ValueError: If there is one view only, shapes differ, or a value is no probability.

    Example:
        >>> views = [np.array([[0.9, 0.1]]), np.array([[0.25, 0.75]]), np.array([[0.25, 0.75]])]
        >>> [(int(one.label[0]), round(float(one.confidence[0]), 3)) for one in teachings(views)]
        [(1, 0.75), (0, 0.474), (0, 0.474)]
    """
    checks.at_least(2, views=len(probabilities))
    _check(probabilities)
    if len(probabilities) == 2:
        return [_opinion(probabilities[1]), _opinion(probabilities[0])]
    rows, classes = probabilities[0].shape
    step = max(_CELLS // max(classes, 1), 1)
    blocks = [_block([view[start : start + step] for view in probabilities]) for start in range(0, rows, step)]
    return [
        Opinion(*(np.concatenate([block[view][part] for block in blocks]) for part in (0, 1)))
        for view in range(len(probabilities))
    ]


def agreement(opinions: Sequence[Opinion], rows: np.ndarray) -> float:
    """Return the share of some rows of which all views say the same label, 0 to 1; 1 where there are no rows."""
    said = np.stack([one.label[rows] for one in opinions])
    return float((said == said[0]).all(axis=0).mean()) if len(rows) else 1.0


def _block(views: list[np.ndarray]) -> list[Opinion]:
    logs = [np.log(np.maximum(view, _LEAST, dtype=np.float64)) for view in views]
    total, found = np.add.reduce(logs), []
    for own in logs:
        others = total - own
        label = others.argmax(axis=1)
        found.append(Opinion(label, np.exp(others[np.arange(len(label)), label] / (len(logs) - 1))))
    return found


def _opinion(view: np.ndarray) -> Opinion:
    label = view.argmax(axis=1)
    return Opinion(label, view[np.arange(len(label)), label].astype(np.float64))


def _check(probabilities: Sequence[np.ndarray]) -> None:
    checks.at_least(1, views=len(probabilities))
    checks.two_dimensional(**{f"view {number}": view for number, view in enumerate(probabilities)})
    checks.same_shape(**{f"view {number}": view for number, view in enumerate(probabilities)})
    for number, view in enumerate(probabilities):
        if view.size and not (view.min() >= 0 and view.max() <= 1 + 1e-6):  # what is no number fails both
            raise ValueError(f"view {number} must hold probabilities from 0 to 1; logits need a softmax first")
