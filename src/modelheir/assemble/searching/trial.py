"""One trial of a search: the settings that it changed, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Trial", "best_of"]


@dataclasses.dataclass(frozen=True)
class Trial:
    """A training with some settings changed."""

    number: int
    changes: Mapping[str, Any]  #: dotted setting -> value; {} is as given
    state: str  #: ``running``, ``finished`` or ``failed``
    value: float | None = None  #: accuracy on the selection split, a fraction; ``None`` where there is none
    seconds: float = 0.0
    reason: str = ""  #: why it failed


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial with the highest accuracy, of equal ones the first; ``None`` where none finished.

    >>> best_of([Trial(0, {}, "finished", 0.5), Trial(1, {"fit.lr": 0.1}, "finished", 0.5)]).number
    0
    """
    done = [trial for trial in trials if trial.value is not None]
    return max(done, key=lambda trial: (trial.value, -trial.number), default=None)
