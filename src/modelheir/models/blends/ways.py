"""Ways to average a list of models, by the words of a setting: ``uniform``, ``swa:0.25``, ``lawa:3``, ``ema:0.9``, ...

Each but ``greedy`` says how much each model counts (:mod:`modelheir.models.blends.sequence_weights`); ``greedy`` needs
to see them at work (:mod:`modelheir.models.blends.greedy`). Imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from modelheir.checks import InputError, nearest
from modelheir.models.blends.sequence_weights import ema_weights, latest_weights, tail_weights, uniform_weights

__all__ = ["GREEDY", "WAYS", "Way", "fitting_ways", "parse_way"]

GREEDY = "greedy"

#: name -> what it is, and how it is written
WAYS: dict[str, tuple[str, str]] = {
    "uniform": ("the mean of all", "uniform"),
    "swa": ("the mean of the tail: the newest share S of all, a quarter by itself", "swa or swa:S, 0 < S <= 1"),
    "lawa": ("the mean of the K newest", "lawa:K, K >= 1"),
    "ema": ("a moving average of decay D, from the oldest on", "ema:D, 0 <= D < 1"),
    GREEDY: ("from the best alone, whichever does not make it worse", GREEDY),
}

_TAIL = 0.25  #: share of the tail, as the last quarter of the training in the paper
_TRIED = ("uniform", "swa:0.5", "swa", "lawa:6", "lawa:3", "ema:0.9", "ema:0.8", "ema:0.5")
_OLDEST = 0.5  #: most that the oldest may count in an average that is to forget it


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to average."""

    name: str  #: a key of ``WAYS``
    value: float = 0.0  #: share, number or decay; 0 where there is none

    def __str__(self) -> str:
        usual = self.name == "swa" and self.value == _TAIL
        return self.name if usual or self.name in ("uniform", GREEDY) else f"{self.name}:{self.value:g}"

    def weights(self, count: int) -> tuple[float, ...]:
        """Return how much each of ``count`` models counts, the oldest first; they sum to 1.

        Raises:
            InputError: If there are too few models.
            ValueError: If it is ``greedy``, whose weights are not known before.

        >>> parse_way("lawa:2").weights(3)
        (0.0, 0.5, 0.5)
        """
        if self.name == "lawa" and self.value > count:
            raise InputError(f"{self} averages the {self.value:g} newest models, and there are {count}.")
        made: dict[str, Callable[[], tuple[float, ...]]] = {
            "uniform": lambda: uniform_weights(count),
            "swa": lambda: tail_weights(count, self.value),
            "lawa": lambda: latest_weights(count, int(self.value)),
            "ema": lambda: ema_weights(count, self.value),
        }
        if self.name not in made:
            raise ValueError(f"how much a model counts in {self} is not known before it is tried")
        return made[self.name]()


def parse_way(text: str) -> Way:
    """Read a way as a user writes it.

    Raises:
        InputError: If it is unknown (with the nearest), lacks its number, or has one that is out of range.

    Example:
        >>> parse_way("ema:0.9"), str(parse_way("swa"))
        (Way(name='ema', value=0.9), 'swa')
    """
    name, colon, rest = text.strip().partition(":")
    if name not in WAYS:
        raise InputError(
            f"unknown way {text!r} to average.{nearest(name, [*WAYS, 'auto'])} Known: auto, {', '.join(WAYS)}."
        )
    if name in ("uniform", GREEDY):
        if colon:
            raise InputError(f"by = {text!r}: {name} takes no number.")
        return Way(name)
    if name == "swa" and not colon:
        return Way(name, _TAIL)
    try:
        value = float(rest)
    except ValueError:
        value = float("nan")
    allowed = {"swa": 0 < value <= 1, "lawa": value >= 1 and value.is_integer(), "ema": 0 <= value < 1}
    if not allowed[name]:
        raise InputError(f"by = {text!r}: write {WAYS[name][1]}.")
    return Way(name, value)


def fitting_ways(count: int, *, in_time: bool) -> tuple[Way, ...]:
    """Return the ways worth trying on ``count`` models; no two give the same average.

    Args:
        count: Models, ``>= 2``.
        in_time: Whether they are a sequence from the oldest to the newest. Of models side by side (fine-tunes of one
            model), no one is the newest, and the plain mean and the greedy soup are tried alone.

    >>> [str(way) for way in fitting_ways(4, in_time=True)]
    ['uniform', 'swa:0.5', 'lawa:3', 'ema:0.5', 'greedy']
    >>> [str(way) for way in fitting_ways(4, in_time=False)]
    ['uniform', 'greedy']
    """
    found: dict[tuple[float, ...], Way] = {}
    for way in map(parse_way, _TRIED if in_time else _TRIED[:1]):
        if way.name == "lawa" and way.value > count:
            continue
        weights = way.weights(count)
        if max(weights) < 1 and (way.name != "ema" or weights[0] <= _OLDEST):
            found.setdefault(tuple(round(one, 9) for one in weights), way)
    return (*found.values(), Way(GREEDY))
