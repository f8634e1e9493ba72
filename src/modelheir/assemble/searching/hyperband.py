r"""The hyperband strategy: many settings trained briefly, the best third of them three times as long, and so on.

A *bracket* begins with ``n`` settings at ``r`` epochs; of each *rung* the best ``1 / eta`` go on to the next, which
trains ``eta`` times as long, up to ``R`` epochs. With :math:`s_{max} = \lfloor \log_\eta R \rfloor`, bracket ``s`` from
:math:`s_{max}` down to 0 has

.. math:: n = \lceil \tfrac{s_{max} + 1}{s + 1} \eta^s \rceil, \qquad r = R\, \eta^{-s}

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization", JMLR 18 (185), 2018, Algorithm 1, with ``eta = 3``. Ours differs: what goes on is trained longer from the
start, as a schedule of the learning rate ends with its training and cannot be lengthened afterwards; epochs are whole;
the first settings are those as given; and where the space has fewer settings than a bracket wants, the bracket is
smaller. A rung waits for all of the one before, so that what comes out does not depend on who was quicker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modelheir.assemble.searching.trial import Trial
from modelheir.checks import InputError
from modelheir.config.search import Space

__all__ = ["EPOCHS", "brackets", "check_free", "next_hyperband", "trainings"]

EPOCHS = "fit.epochs"  #: the setting that grows from rung to rung
_ETA = 3


def brackets(epochs: int) -> list[list[tuple[int, int]]]:
    """Return the brackets, each a list of rungs: how many settings, for how many epochs.

    Args:
        epochs: Of the last rung, ``>= 1``.

    Example:
        >>> brackets(9)
        [[(9, 1), (3, 3), (1, 9)], [(5, 3), (1, 9)], [(3, 9)]]
    """
    most = 0
    while _ETA ** (most + 1) <= epochs:
        most += 1
    return [
        [(n // _ETA**rung, max(1, round(epochs / _ETA ** (s - rung)))) for rung in range(s + 1)]
        for s in range(most, -1, -1)
        for n in [math.ceil((most + 1) * _ETA**s / (s + 1))]
    ]


def trainings(epochs: int) -> int:
    """Return how many trainings all brackets have.

    >>> trainings(9)
    22
    """
    return sum(count for rungs in brackets(epochs) for count, _ in rungs)


def check_free(space: Space) -> None:
    """Refuse a space that tries the setting which the rungs decide.

    Raises:
        InputError: If it does.
    """
    if EPOCHS in space:
        raise InputError(f"{EPOCHS} is what hyperband raises from rung to rung: leave it out, and give the longest.")


def next_hyperband(
    trials: Sequence[Trial], epochs: int, draw: Callable[[Sequence[Trial]], Mapping[str, Any] | None]
) -> dict[str, Any] | None:
    """Return the changes of the next trial; ``None`` where all is done, or a rung waits for trials in training.

    Args:
        trials: Those so far, in the order in which they were taken; ``fit.epochs`` is among their changes.
        epochs: Of the last rung.
        draw: Takes trials that are the draws so far, and returns the next one's changes; ``None`` where draws only
            repeat.

    Example:
        >>> trials = [Trial(n, {"fit.lr": n, "fit.epochs": 1}, "finished", [0.5, 0.9, 0.7][n]) for n in range(3)]
        >>> next_hyperband(trials, 3, lambda drawn: None)
        {'fit.lr': 1, 'fit.epochs': 3}
    """
    left, drawn = list(trials), []
    for rungs in brackets(epochs):
        count, length = rungs[0]
        rung = _taken(left, count, length)
        if len(rung) < count and (changes := draw([_bare(trial) for trial in [*drawn, *rung]])) is not None:
            return {**changes, EPOCHS: length}
        drawn += rung
        size = len(rung)
        for place, (_, length) in enumerate(rungs[1:], 1):
            if any(trial.state == "running" for trial in rung):
                return None
            ranked = sorted(
                (one for one in rung if one.value is not None), key=lambda one: (-(one.value or 0.0), one.number)
            )
            best = ranked[: max(1, size // _ETA**place)]
            rung = _taken(left, len(best), length)
            if len(rung) < len(best):
                return {**best[len(rung)].changes, EPOCHS: length}
    return None


def _taken(left: list[Trial], count: int, length: int) -> list[Trial]:
    """Take the next trials of a rung out of those that are left."""
    taken = []
    while left and len(taken) < count and left[0].changes[EPOCHS] == length:
        taken.append(left.pop(0))
    return taken


def _bare(trial: Trial) -> Trial:
    changes = {key: value for key, value in trial.changes.items() if key != EPOCHS}
    return Trial(trial.number, changes, trial.state, trial.value)
