r"""What is kept between the rounds of co-training: the pool that is left and what each view has been taught so far.

Without ``rederive`` the rows that a view was taught leave the pool for good, and add up (the first published version);
the rows of a conflict stay in the pool. With it every round begins from the original labels and the whole pool, so
labels are given anew (the later version); a round then hands over as many rows as all rounds until then would have.
The rounds end when the pool is empty or nothing is handed over, as where a class has run out.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from modelheir import checks
from modelheir.selection.cotraining.exchange import Exchange, Taught
from modelheir.selection.cotraining.settings import ExchangeConfig

__all__ = ["Rounds", "class_frequencies", "class_weights", "first_round", "next_round", "round_limit"]


@dataclasses.dataclass(frozen=True, eq=False)
class Rounds:
    """Where the rounds stand."""

    number: int  #: of the round to come, from 1
    pool: np.ndarray  #: ``(N,)`` bool: rows that the round to come chooses from
    taught: tuple[Taught, ...]  #: one a view: what it trains on beside the labels it was given
    over: bool  #: no further round would change anything


def first_round(rows: int, views: int) -> Rounds:
    """Return the state before the first round: all ``rows`` in the pool, nothing taught to any of the ``views``."""
    checks.at_least(2, views=views)
    none = Taught(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Rounds(1, np.ones(rows, dtype=bool), (none,) * views, rows == 0)


def round_limit(config: ExchangeConfig, state: Rounds) -> int:
    """Return the most rows that a view may be taught in the round to come: ``floor(share * N)``.

    The pool of the first round has ``N`` rows; a share above 0 is at least one row. With ``rederive`` the number is
    times the round's, at most ``N``.

    >>> round_limit(ExchangeConfig(share=0.29), first_round(100, 2))
    29
    """
    each = max(int(np.floor(round(config.share * len(state.pool), 6))), int(config.share > 0))
    return min(each * state.number, len(state.pool)) if config.rederive else each


def next_round(state: Rounds, found: Exchange, config: ExchangeConfig) -> Rounds:
    """Return the state after a round.

    Args:
        state: Before it.
        found: What it handed over.
        config: Of ``rederive``.

    Raises:
        ValueError: If the numbers of views differ.
    """
    if len(found.taught) != len(state.taught):
        raise ValueError(f"{len(found.taught)} views were taught, but there are {len(state.taught)}")
    if config.rederive:
        return Rounds(state.number + 1, state.pool, found.taught, found.empty)
    pool = state.pool.copy()
    for one in found.taught:
        pool[one.rows] = False
    taught = tuple(
        Taught(*(np.concatenate(parts) for parts in zip(before, new, strict=True)))
        for before, new in zip(state.taught, found.taught, strict=True)
    )
    return Rounds(state.number + 1, pool, taught, found.empty or not pool.any())


def class_frequencies(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return how many labels each class has, int64 ``(classes,)``; -1 is none.

    The later version counts the labels taught in the round before too: join them to ``labels``.

    >>> class_frequencies(np.array([0, 2, 2, -1]), 3).tolist()
    [1, 0, 2]
    """
    labels = np.asarray(labels)
    return np.bincount(labels[labels >= 0], minlength=classes)


def class_weights(frequencies: np.ndarray) -> np.ndarray:
    r"""Return weights of the classes in the loss, rarer ones more: ``-log(phi_c / (2 sum phi))``, ``(C,)``.

    Raises:
        ValueError: If a class has no label, whose weight would be infinite.

    Example:
        >>> class_weights(np.array([1, 3])).round(3).tolist()
        [2.079, 0.981]
    """
    frequencies = np.asarray(frequencies, np.float64)
    checks.above(0, **{f"frequency of class {number}": value for number, value in enumerate(frequencies.tolist())})
    return -np.log(frequencies / (2 * frequencies.sum()))
