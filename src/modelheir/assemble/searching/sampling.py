"""The strategies of optuna: the next trial from those that are done. Only this file imports it.

The study is made anew from the finished trials each time, with a seed of its own for each trial: a search that was
stopped and goes on draws what it would have drawn. What ``random`` draws depends on the earlier draws alone, so it is
the same however many processes try; ``tpe`` sees the trials that are finished when it draws.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelheir.assemble.searching.trial import Trial
from modelheir.config.search import Listed, Space

__all__ = ["next_drawn"]

_TRIES = 30  #: draws before every combination counts as tried


def next_drawn(
    strategy: str, space: Space, given: Mapping[str, Any], trials: Sequence[Trial], *, seed: int
) -> dict[str, Any] | None:
    """Return the changes of the next trial; ``None`` where draws only repeat what was tried.

    Args:
        strategy: ``tpe`` or ``random``.
        space: What is tried.
        given: The value of each of its settings as given.
        trials: Those so far.
        seed: Of the draws.
    """
    optuna: Any = importlib.import_module("optuna")
    kinds = {key: _distribution(one) for key, one in space.items()}
    seen = [{**given, **trial.changes} for trial in trials]
    with _silent():
        for attempt in range(_TRIES):
            drawn = seed + len(trials) + 1_000_003 * attempt
            sampler = (
                optuna.samplers.RandomSampler(seed=drawn % 2**32)
                if strategy == "random"
                else optuna.samplers.TPESampler(seed=drawn % 2**32)
            )
            study = optuna.create_study(direction="maximize", sampler=sampler)
            for trial, values in zip(trials, seen, strict=True):
                numbers = {key: _number(space[key], values[key]) for key in space}
                inside = all(number is not None for number in numbers.values())
                if trial.value is not None and inside:  # what was given may lie outside of what is tried
                    study.add_trial(optuna.trial.create_trial(params=numbers, distributions=kinds, value=trial.value))
            asked = study.ask(kinds).params
            found = {key: _value(space[key], asked[key]) for key in space}
            if {**given, **found} not in seen:
                return found
    return None


def _distribution(one: Any) -> Any:
    distributions: Any = importlib.import_module("optuna").distributions
    if isinstance(one, Listed):  # by place, as a value may be a list
        return distributions.CategoricalDistribution(tuple(range(len(one.values))))
    if one.whole:
        return distributions.IntDistribution(int(one.low), int(one.high), log=one.log)
    return distributions.FloatDistribution(one.low, one.high, log=one.log)


def _number(one: Any, value: Any) -> Any:
    """Return a value as optuna holds it; ``None`` where it is none of those tried."""
    if isinstance(one, Listed):
        return one.values.index(value) if value in one.values else None
    return value if value is not None and one.low <= value <= one.high else None


def _value(one: Any, number: Any) -> Any:
    return one.values[number] if isinstance(one, Listed) else number


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep optuna from telling of every study."""
    optuna: Any = importlib.import_module("optuna")
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
