"""The strategies by name: what each needs, how many trainings it has, and which settings it tries next."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.assemble.searching.greedy import in_order, next_greedy
from modelheir.assemble.searching.grid import combination, combinations, values_of
from modelheir.assemble.searching.hyperband import brackets, check_free, next_hyperband, trainings
from modelheir.assemble.searching.sampling import next_drawn
from modelheir.assemble.searching.trial import Trial
from modelheir.config.search import Space
from modelheir.extras import need

__all__ = ["accept", "in_words", "next_changes", "usual_trials"]

_USUAL = 20


def accept(strategy: str, space: Space) -> None:
    """Refuse a space that a strategy cannot go through, and a strategy whose extra is not installed.

    Raises:
        InputError: If so.
    """
    match strategy:
        case "greedy":
            _ = in_order(space)
        case "grid":
            _ = combinations(space)
        case _:
            if strategy == "hyperband":
                check_free(space)
            need("search", f"--strategy {strategy}", "optuna")


def usual_trials(strategy: str, space: Space, epochs: int) -> int:
    """Return how many trainings there are where nobody says: all of a grid and of the brackets, else 20.

    >>> usual_trials("hyperband", {}, 9), usual_trials("random", {}, 9)
    (22, 20)
    """
    match strategy:
        case "grid":
            return combinations(space)
        case "hyperband":
            return trainings(epochs)
    return _USUAL


def in_words(strategy: str, space: Space, epochs: int) -> str:
    """Return what a strategy is going to try, a line; "" where that is not known before.

    >>> in_words("hyperband", {}, 3)
    'hyperband, settings x epochs: 3 x 1, 1 x 3; 2 x 3: 6 trainings'
    >>> from modelheir.config.search import Listed
    >>> in_words("grid", {"fit.lr": Listed((0.1, 0.2)), "inputs.erase": Listed((0.0, 0.1, 0.5))}, 3)
    'grid, every combination: 2 fit.lr x 3 inputs.erase = 6'
    """
    match strategy:
        case "grid":
            sizes = [f"{len(values)} {key}" for key, values in values_of(space, strategy).items()]
            return f"grid, every combination: {' x '.join(sizes)} = {combinations(space)}"
        case "hyperband":
            rungs = [", ".join(f"{count} x {length}" for count, length in one) for one in brackets(epochs)]
            return f"hyperband, settings x epochs: {'; '.join(rungs)}: {trainings(epochs)} trainings"
    return ""


def next_changes(
    strategy: str, space: Space, given: Mapping[str, Any], trials: Sequence[Trial], *, seed: int, epochs: int
) -> dict[str, Any] | None:
    """Return the changes of the next trial; ``None`` where none is left, or the next waits for trials in training.

    But for ``tpe``, they depend on the trials' settings and on the outcomes that the strategy waits for, so several
    processes try what one would.

    Args:
        strategy: A name of ``config.search.STRATEGIES``.
        space: What is tried.
        given: The value of each of its settings as given.
        trials: Those so far, by number, in training or done.
        seed: Of draws.
        epochs: Of a whole training.
    """
    match strategy:
        case "grid":
            return combination(space, len(trials))
        case "hyperband":
            return next_hyperband(trials, epochs, functools.partial(_drawn, "random", space, given, seed))
        case "greedy":
            return next_greedy(space, given, trials) if trials else {}
    return _drawn(strategy, space, given, seed, trials)


def _drawn(
    strategy: str, space: Space, given: Mapping[str, Any], seed: int, trials: Sequence[Trial]
) -> dict[str, Any] | None:
    """Return what is drawn after some trials; the first are the settings as given."""
    return next_drawn(strategy, space, given, trials, seed=seed) if trials else {}
