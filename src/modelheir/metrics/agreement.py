r"""Agreement of two models, whatever the labels: shared predictions, and how much of that is more than chance.

Cohen's kappa, 1960: ``(a - e) / (1 - e)`` with ``a`` the share of equal predictions and ``e`` the share that two models
with the same class frequencies would share by chance.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["agreement", "cohen_kappa", "disagreement_in_correctness"]


def _pair(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    old, new = np.asarray(old), np.asarray(new)
    checks.same_shape(old=old, new=new)
    if not len(old):
        raise ValueError("agreement needs at least one image")
    return old, new


def agreement(old: np.ndarray, new: np.ndarray) -> float:
    """Return the share of images with the same predicted class, ``1 - churn``, 0 to 1, predictions ``(N,)`` each.

    >>> agreement([0, 1, 2, 2], [0, 1, 1, 2])
    0.75
    """
    old, new = _pair(old, new)
    return float((old == new).mean())


def cohen_kappa(old: np.ndarray, new: np.ndarray) -> float:
    """Return Cohen's kappa of two rows of predictions ``(N,)``: 1 is full agreement, 0 is chance.

    Where both always name one same class there is nothing to agree on by skill; the value is 1.

    >>> cohen_kappa([0, 0, 1, 1], [0, 1, 0, 1])
    0.0
    """
    old, new = _pair(old, new)
    _, codes = np.unique(np.concatenate([old, new]), return_inverse=True)
    classes = int(codes.max()) + 1
    share = [np.bincount(side, minlength=classes) / len(old) for side in (codes[: len(old)], codes[len(old) :])]
    chance = float(share[0] @ share[1])
    return 1.0 if chance == 1 else (agreement(old, new) - chance) / (1 - chance)


def disagreement_in_correctness(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return the share of images that exactly one of the models has right, ``NFR + PFR``, 0 to 1.

    >>> disagreement_in_correctness([0, 1, 1], [0, 0, 2], [0, 1, 0])
    0.3333333333333333
    """
    old, new = _pair(old, new)
    label = np.asarray(label)
    checks.same_shape(old=old, label=label)
    return float(((old == label) != (new == label)).mean())
