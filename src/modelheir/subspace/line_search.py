r"""How far to go along a direction: shrink a step until the loss has fallen by a fair share of what its slope promised.

.. math:: f(t) < f(0) + \sigma\, t\, f'(0)

Armijo's rule: Nocedal and Wright, "Numerical Optimization", 2nd edition, 2006, eq. 3.4, and algorithm 3.1. A ``sigma``
below 1/2 accepts the minimum of any parabola.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from modelheir import checks

__all__ = ["Search", "backtrack"]


class Search(NamedTuple):
    """What a search along a direction came to."""

    length: float  #: accepted ``t``; 0 where none was
    tried: tuple[float, ...]  #: every ``t`` that was tried, the accepted one last


def backtrack(
    above: Callable[[float, float], float],
    *,
    value: float,
    slope: float,
    sigma: float,
    rho: float,
    trials: int,
    first: float = 1.0,
    interpolate: bool = False,
) -> Search:
    """Return the first length that Armijo's rule accepts.

    Args:
        above: ``(t, bound) -> f(t) - bound``. It is this difference, and no bound of its own, that a process decides
            on: where losses are averaged over processes, all decide alike.
        value: ``f(0)``.
        slope: ``f'(0)``, below 0.
        sigma: Share of the promised fall that is asked for, above 0 and below 1.
        rho: Factor between a length that was refused and the next, above 0 and below 1.
        trials: Most evaluations, ``>= 1``.
        first: The first length, above 0.
        interpolate: Go on where the parabola through value, slope and the refused loss is lowest, but to no more than
            ``rho`` and no less than a tenth of the refused length.

    Returns:
        The length and what was tried. A loss that is no number is refused.

    Example:
        >>> backtrack(lambda t, bound: (1 - 3 * t) ** 2 - bound, value=1.0, slope=-6.0, sigma=0.1, rho=0.5, trials=9)
        Search(length=0.5, tried=(1.0, 0.5))
    """
    checks.at_least(1, trials=trials)
    checks.above(0, first=first)
    tried: list[float] = []
    length = first
    for _ in range(trials):
        bound = value + sigma * length * slope
        over = above(length, bound)
        tried.append(length)
        if over < 0:
            return Search(length, tuple(tried))
        shorter = rho * length
        if interpolate:
            gap = over + bound - value - slope * length  # f(t) above its tangent: positive, or no number
            lowest = -slope * length * length / (2 * gap)
            shorter = min(max(lowest, 0.1 * length), shorter) if lowest == lowest else 0.1 * length
        length = shorter
    return Search(0.0, tuple(tried))
