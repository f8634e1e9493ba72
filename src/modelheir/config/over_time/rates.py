r"""Learning rates that fall from step to step of a sequence; within a step they are constant.

.. math:: \eta_t = \eta_0 - c\,t \qquad\text{or}\qquad \eta_t = \eta_0\,\rho^t

Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642: a whole sequence is run with each published schedule, and the one
with the best *validation* accuracy at the last step is kept. With ``none`` the rate is tuned at each step anew.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["BASE", "PUBLISHED", "RateOverTime", "rates"]

Decay = Literal["none", "linear", "exponential"]


@dataclasses.dataclass(frozen=True)
class RateOverTime:
    """One schedule over the steps of a sequence."""

    decay: Decay
    start: float  #: learning rate at step 0, > 0
    change: float = 0.0  #: linear: taken off a step, >= 0; exponential: factor a step, > 0; none: not read, 0


BASE = 1e-3  #: the benchmark's learning rate, in whose place stands that of a run

#: what is tried for each kind, in this order; of equal results the first is kept
PUBLISHED: dict[str, tuple[RateOverTime, ...]] = {
    "none": (RateOverTime("none", 1e-3), RateOverTime("none", 1e-4)),
    "linear": (RateOverTime("linear", 1e-3, 1e-4), RateOverTime("linear", 1e-4, 1e-5)),
    "exponential": (
        RateOverTime("exponential", 2e-3, 0.5),
        RateOverTime("exponential", 2e-4, 0.5),
        RateOverTime("exponential", 2e-4, 0.75),
    ),
}


def rates(schedule: RateOverTime, steps: int) -> tuple[float, ...]:
    """Return the learning rate of each step, the oldest first.

    Args:
        schedule: Which kind, where it begins, how it changes.
        steps: How many, ``>= 1``.

    Raises:
        InputError: If the kind is unknown, a number is out of range, or a linear rate reaches 0 within the steps.

    Example:
        >>> rates(RateOverTime("exponential", 2e-3, 0.5), 3)
        (0.002, 0.001, 0.0005)
    """
    checks.at_least(1, steps=steps)
    decay, start, change = schedule.decay, schedule.start, schedule.change
    checks.one_of(PUBLISHED, learning_rate_decay=decay)
    if not start > 0:
        raise InputError(f"the learning rate of step 0 must be > 0, got {start!r}.")
    if decay == "none":
        if change:
            raise InputError(f"learning_rate_decay = 'none' changes nothing, and a change of {change!r} was given.")
        return (float(start),) * steps
    if decay == "exponential":
        if not change > 0:
            raise InputError(f"the factor of learning_rate_decay = 'exponential' must be > 0, got {change!r}.")
        return tuple(start * change**step for step in range(steps))
    if not change >= 0:
        raise InputError(f"what learning_rate_decay = 'linear' takes off a step must be >= 0, got {change!r}.")
    found = tuple(start - change * step for step in range(steps))
    gone = next((step for step, rate in enumerate(found) if rate <= 1e-9 * start), None)  # rounding is not a rate
    if gone is not None:
        raise InputError(
            f"linear decay of the learning rate, from {start:g} by {change:g} a step, leaves no rate at step {gone} of "
            f"0 to {steps - 1}: take less than {start / (steps - 1):g} off a step, or exponential decay."
        )
    return found
