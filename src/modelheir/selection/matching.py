r"""Which earlier images resemble later ones: chains of matches of one label, backwards through the steps of a sequence.

Going from the newest step back, each image of step ``t + 1`` is matched to one of step ``t`` with its label, by the
Euclidean distance of pixels or features; the matches then stand for step ``t``, with repeats, and are matched in turn.
``nearest`` takes the nearest one, whoever else takes it; ``optimal`` minimises the sum of distances while each earlier
image is taken at most

.. math:: k_c = \lceil 6 m_c / (5 n_c) \rceil

times, with ``m_c`` later and ``n_c`` earlier images of class ``c``. Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642;
the assignment is Kuhn's problem (1955), solved by SciPy. Ours differs from the published code: the rows of an optimal
assignment are led back to the images they stand for, so labels are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["Matching", "matched_chain", "nearest_matches", "optimal_matches"]

Matching = Literal["nearest", "optimal"]

_CELLS = 2**22  #: of a block of distances


def nearest_matches(
    later: np.ndarray, later_label: np.ndarray, earlier: np.ndarray, earlier_label: np.ndarray
) -> np.ndarray:
    """Match each later image to the nearest earlier one of its label.

    Args:
        later: Images or features ``(M, ...)``.
        later_label: Integers ``(M,)``.
        earlier: ``(N, ...)``, of the same shape beyond the first axis.
        earlier_label: Integers ``(N,)``.

    Returns:
        Rows of ``earlier``, int ``(M,)``, with repeats; of equally near ones the first.

    Raises:
        InputError: If a later label has no earlier image.
        ValueError: If shapes do not fit.

    Example:
        >>> later, earlier = np.array([[0.0], [5.0]]), np.array([[4.0], [1.0], [5.0]])
        >>> nearest_matches(later, np.array([0, 1]), earlier, np.array([0, 0, 1])).tolist()
        [1, 2]
    """
    rows = np.zeros(len(later_label), np.int64)
    for mine, theirs, a, b in _by_label(later, later_label, earlier, earlier_label):
        step = max(_CELLS // len(theirs), 1)
        for start in range(0, len(mine), step):
            part = slice(start, start + step)
            rows[mine[part]] = theirs[cdist(a[part], b).argmin(axis=1)]
    return rows


def optimal_matches(
    later: np.ndarray, later_label: np.ndarray, earlier: np.ndarray, earlier_label: np.ndarray
) -> np.ndarray:
    """Match later images to earlier ones of their labels with the smallest sum of distances.

    As :func:`nearest_matches`, but no earlier image of a class is taken more often than 6/5 of its even share, rounded
    up. Memory grows with the product of a class's images in both steps.

    Example:
        >>> later, earlier = np.array([[0.0], [0.1], [0.2]]), np.array([[0.1], [9.0]])
        >>> optimal_matches(later, np.zeros(3, int), earlier, np.zeros(2, int)).tolist()
        [0, 0, 1]
    """
    rows = np.zeros(len(later_label), np.int64)
    for mine, theirs, a, b in _by_label(later, later_label, earlier, earlier_label):
        copies = math.ceil(6 * len(mine) / (5 * len(theirs)))
        row, column = linear_sum_assignment(np.tile(cdist(a, b), (1, copies)))
        rows[mine[row]] = theirs[column % len(theirs)]
    return rows


def matched_chain(
    steps: Sequence[tuple[np.ndarray, np.ndarray]], *, how: Matching = "nearest"
) -> tuple[np.ndarray, ...]:
    """Follow the newest step's images back through a sequence.

    Args:
        steps: Images or features ``(N_t, ...)`` and labels ``(N_t,)`` of each step, the oldest first.
        how: ``nearest`` or ``optimal``.

    Returns:
        Rows of each step, as many as the newest step has images: row ``i`` of all steps is one chain. Those of the
        newest step are all of them in order.

    Raises:
        InputError: If a step has no image of a label that the step after it holds.
        ValueError: If there is no step.

    Example:
        >>> old, new = (np.array([[3.0], [1.0]]), np.zeros(2, int)), (np.array([[0.9]]), np.zeros(1, int))
        >>> [rows.tolist() for rows in matched_chain([old, new])]
        [[1], [0]]
    """
    checks.one_of(("nearest", "optimal"), loss_samples=how)
    checks.at_least(1, steps=len(steps))
    match = nearest_matches if how == "nearest" else optimal_matches
    chain = [np.arange(len(steps[-1][1]))]
    for (earlier, earlier_label), (later, later_label) in zip(steps[-2::-1], steps[:0:-1], strict=True):
        rows = chain[0]
        chain.insert(0, match(np.asarray(later)[rows], np.asarray(later_label)[rows], earlier, earlier_label))
    return tuple(chain)


def _by_label(
    later: np.ndarray, later_label: np.ndarray, earlier: np.ndarray, earlier_label: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield for each later label the rows of both sides and their vectors, flat and in float64."""
    later, later_label, earlier, earlier_label = (
        np.asarray(one) for one in (later, later_label, earlier, earlier_label)
    )
    checks.same_length(later=later, later_label=later_label)
    checks.same_length(earlier=earlier, earlier_label=earlier_label)
    if later.shape[1:] != earlier.shape[1:]:
        raise ValueError(f"images must have one shape: later {later.shape[1:]}, earlier {earlier.shape[1:]}")
    for label in np.unique(later_label):
        mine, theirs = np.flatnonzero(later_label == label), np.flatnonzero(earlier_label == label)
        if not len(theirs):
            raise InputError(
                f"the earlier of two steps has no image of class {label}, so the later one's {len(mine)} cannot be "
                "matched: use all images of each step, or leave the class out."
            )
        yield mine, theirs, _flat(later[mine]), _flat(earlier[theirs])


def _flat(vectors: np.ndarray) -> np.ndarray:
    return vectors.reshape(len(vectors), -1).astype(np.float64)
