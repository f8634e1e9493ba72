"""The greedy strategy: one setting after another, each keeping the best value so far.

The order is that of PaddleClas's search driver (``tools/search_strategy.py``): learning rate, resolution, RandAugment,
erasing, multipliers of the rate by stage, and the teacher last; settings that it does not know come before the teacher,
in the order given. Ours differs: RandAugment has a strength and no probability here, and the settings as given are the
first trial, so that no value replaces them that is not better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.assemble.searching.grid import values_of
from modelheir.assemble.searching.trial import Trial, best_of
from modelheir.config.search import Listed, Space

__all__ = ["in_order", "most_trials", "next_greedy"]

_ORDER = (
    "fit.lr", "inputs.image_size", "inputs.resize", "inputs.augment", "inputs.policy_magnitude",
    "inputs.policy_operations", "inputs.erase", "fit.lr_multipliers",
)  # fmt: skip
_LAST = ("method.teacher", "old")


def in_order(space: Space) -> list[str]:
    """Return the settings in the order in which they are decided.

    Raises:
        InputError: If one has a range, which has no values to go through.

    Example:
        >>> keys = ("method.teacher", "fit.weight_decay", "inputs.erase", "fit.lr")
        >>> in_order({key: Listed((1, 2)) for key in keys})
        ['fit.lr', 'inputs.erase', 'fit.weight_decay', 'method.teacher']
    """
    _ = values_of(space, "greedy")
    others = [key for key in space if key not in (*_ORDER, *_LAST)]
    return [key for key in (*_ORDER, *others, *_LAST) if key in space]


def most_trials(space: Space) -> int:
    """Return the trials of a whole search at most: the settings as given, and every value once.

    >>> most_trials({"fit.lr": Listed((0.1, 0.2)), "inputs.erase": Listed((0.0, 0.1, 0.5))})
    6
    """
    return 1 + sum(len(one.values) for one in space.values() if isinstance(one, Listed))


def next_greedy(space: Space, given: Mapping[str, Any], trials: Sequence[Trial]) -> dict[str, Any] | None:
    """Return the changes of the next trial; ``None`` where every setting is decided, or one waits for trials.

    A setting is begun when those before it are decided; so what is tried does not depend on how many processes try.

    Args:
        space: What is tried.
        given: The value of each of its settings as given.
        trials: Those so far; the first is as given.

    Example:
        >>> space = {"fit.lr": Listed((0.1, 0.2)), "inputs.erase": Listed((0.0, 0.5))}
        >>> given = {"fit.lr": 0.1, "inputs.erase": 0.0}
        >>> trials = [Trial(0, {}, "finished", 0.5), Trial(1, {"fit.lr": 0.2}, "finished", 0.6)]
        >>> next_greedy(space, given, trials)
        {'fit.lr': 0.2, 'inputs.erase': 0.5}
    """
    seen = [{**given, **trial.changes} for trial in trials]
    for stage, key in enumerate(order := in_order(space)):
        later = order[stage:]
        so_far = [
            trial
            for trial, values in zip(trials, seen, strict=True)
            if all(values[name] == given[name] for name in later)
        ]
        if stage and any(trial.state == "running" for trial in so_far):
            return None
        best = best_of(so_far)
        kept = {} if best is None else dict(best.changes)
        for value in space[key].values:  # type: ignore[union-attr]
            wanted = {**given, **kept, key: value}
            if wanted not in seen:
                return {name: one for name, one in wanted.items() if one != given[name]}
    return None
