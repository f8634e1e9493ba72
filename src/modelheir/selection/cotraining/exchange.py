"""One round of co-training: every view is taught rows of the pool with labels that the other views gave them.

Each view receives a list chosen by :mod:`~modelheir.selection.cotraining.choose` from what the others say to it
(:mod:`~modelheir.selection.cotraining.opinions`), so a view is never taught by itself. A row that stands in several
lists with different labels leaves all of them. Blum and Mitchell, 1998; Rothenberger and Diochnos, arXiv:2311.18083.
Ours differs from the published code, which removes such rows by their place in one list from the other one too, and so
loses others (a row is removed where it stands, and no other), and whose branch for more than two views swaps its
arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from modelheir import checks
from modelheir.selection.cotraining.choose import above_threshold, certain_count, of_each_class, surest
from modelheir.selection.cotraining.opinions import Opinion, agreement, own_opinions, teachings
from modelheir.selection.cotraining.settings import RULES, ExchangeConfig

__all__ = ["Exchange", "ExchangeRecord", "Taught", "exchange", "without_conflicts"]


class Taught(NamedTuple):
    """What one view is taught."""

    rows: np.ndarray  #: int64 ``(K,)``, each once
    labels: np.ndarray  #: int64 ``(K,)``, from the other views
    confidence: np.ndarray  #: float64 ``(K,)``, theirs


@dataclasses.dataclass(frozen=True)
class ExchangeRecord:
    """A line of the log."""

    pool: int  #: rows to choose from
    chosen: tuple[tuple[int, ...], ...]  #: rows a view is taught, by class: ``V`` of ``C``
    conflicts: int  #: rows that left the lists, each counted once
    agreement: float  #: share of the pool's rows on which all views agree, 0 to 1


@dataclasses.dataclass(frozen=True, eq=False)
class Exchange:
    """The outcome of a round."""

    taught: tuple[Taught, ...]  #: one a view
    record: ExchangeRecord

    @property
    def empty(self) -> bool:
        """Whether no view is taught anything: a further round would find the same, so the rounds are over."""
        return all(not len(one.rows) for one in self.taught)


def exchange(
    probabilities: Sequence[np.ndarray],
    pool: np.ndarray,
    config: ExchangeConfig,
    *,
    limit: int,
    frequencies: np.ndarray | None = None,
    tie: np.ndarray | None = None,
) -> Exchange:
    """Choose what each view is taught.

    Args:
        probabilities: One array ``(N, C)`` a view, two or more, of the same rows in the same order; calibrated ones
            make ``threshold`` mean what it says.
        pool: Which rows can be chosen, ``(N,)`` bool.
        config: The rule and its numbers; ``share`` and ``rederive`` are read by
            :mod:`~modelheir.selection.cotraining.rounds`.
        limit: Most rows a view is taught, ``>= 0``, see :func:`~modelheir.selection.cotraining.rounds.round_limit`.
        frequencies: Of the classes, ``(C,)``, in any unit; ``stratified`` and ``certain`` need them.
        tie: Numbers ``(N,)``, such as a hash of the sample ids: of equally sure rows the one with the lower number
            comes first. ``None``: the earlier row.

    Returns:
        What each view is taught, rows as numbers of ``probabilities``, the surest first.

    Raises:
        InputError: If the rule is unknown.
        ValueError: If there are fewer than two views, shapes do not fit, a value is no probability, or frequencies are
            needed and not usable.

    Example:
        >>> one, two = np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[0.5, 0.5], [0.2, 0.8]])
        >>> found = exchange([one, two], np.array([True, True]), ExchangeConfig("top_k"), limit=1)
        >>> [(view.rows.tolist(), view.labels.tolist()) for view in found.taught]
        [([1], [1]), ([0], [0])]
    """
    said = teachings(probabilities)
    pool = np.asarray(pool)
    if pool.dtype != np.bool_ or pool.shape != said[0].label.shape:
        raise ValueError(f"pool must be bool of shape {said[0].label.shape}, got {pool.dtype} {pool.shape}")
    rows = np.flatnonzero(pool)
    order = np.arange(len(pool)) if tie is None else np.asarray(tie)
    checks.same_shape(pool=pool, tie=order)
    lists = _choose(said, rows, config, limit, _frequencies(frequencies, config, probabilities[0].shape[1]), order)
    taught, conflicts = without_conflicts(
        [Taught(found, one.label[found], one.confidence[found]) for one, found in zip(said, lists, strict=True)]
    )
    classes = probabilities[0].shape[1]
    chosen = tuple(tuple(np.bincount(one.labels, minlength=classes).tolist()) for one in taught)
    agreed = agreement(own_opinions(probabilities), rows)
    return Exchange(tuple(taught), ExchangeRecord(len(rows), chosen, len(conflicts), agreed))


def without_conflicts(lists: Sequence[Taught]) -> tuple[list[Taught], np.ndarray]:
    """Take the rows out of all lists that stand in several with different labels; every other row stays.

    Returns:
        The lists, and the rows that left, rising.

    Example:
        >>> one = Taught(np.array([5, 2]), np.array([0, 1]), np.ones(2))
        >>> two = Taught(np.array([2, 7]), np.array([3, 1]), np.ones(2))
        >>> lists, gone = without_conflicts([one, two])
        >>> [found.rows.tolist() for found in lists], gone.tolist()
        ([[5], [7]], [2])
    """
    rows = np.concatenate([one.rows for one in lists])
    pairs = np.unique(np.stack([rows, np.concatenate([one.labels for one in lists])]), axis=1)
    found, labels = np.unique(pairs[0], return_counts=True)
    gone = found[labels > 1]
    kept = [~np.isin(one.rows, gone) for one in lists]
    return [Taught(*(part[keep] for part in one)) for one, keep in zip(lists, kept, strict=True)], gone


def _choose(
    said: list[Opinion],
    rows: np.ndarray,
    config: ExchangeConfig,
    limit: int,
    frequencies: np.ndarray,
    tie: np.ndarray,
) -> list[np.ndarray]:
    checks.one_of(RULES.words, rule=config.rule)
    if config.rule == "top_k":
        return [surest(one, rows, limit, tie=tie) for one in said]
    if config.rule == "threshold":
        return [above_threshold(one, rows, limit, threshold=config.threshold, tie=tie) for one in said]
    if config.rule == "certain":
        least = (certain_count(one, rows, frequencies=frequencies, uncertainty=config.uncertainty) for one in said)
        limit = min(limit, *least)
    return [of_each_class(one, rows, limit, frequencies=frequencies, tie=tie) for one in said]


def _frequencies(given: np.ndarray | None, config: ExchangeConfig, classes: int) -> np.ndarray:
    if config.rule in ("top_k", "threshold"):
        return np.ones(classes)
    if given is None or np.shape(given) != (classes,):
        raise ValueError(f"rule {config.rule} needs the frequencies of the {classes} classes")
    return np.asarray(given)
