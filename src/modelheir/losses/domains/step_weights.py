r"""How much each step of a sequence counts, from the oldest, ``t = 0``, to the newest of ``S``.

The objective of a joint model, with a copy of the network for each step, is

.. math:: L = \frac1S \sum_t a_t R_t + \lambda \sum_t \omega_t \Omega(\theta_t)
              + \mu \sum_{t < S - 1} \nu_t D(\theta_t, \theta_{t+1})

Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642, and its published code: ``a`` is :func:`last_step_weights`, or
:func:`rising_weights` as the weights of pooled images are; ``omega`` is 1 or :func:`falling_weights`; ``nu`` is 1 or
all but the last of :func:`rising_weights`. Nothing here is scaled to sum 1: a weighted mean over images divides by
their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["falling_weights", "joint_risk", "last_step_weights", "rising_weights"]


def rising_weights(steps: int) -> tuple[float, ...]:
    """Return ``1 / (S - t)``: the newest step counts 1, the oldest ``1 / S``.

    >>> rising_weights(4)
    (0.25, 0.3333333333333333, 0.5, 1.0)
    """
    checks.at_least(1, steps=steps)
    return tuple(1 / (steps - step) for step in range(steps))


def falling_weights(steps: int) -> tuple[float, ...]:
    """Return ``1 / (t + 1)``: the oldest step counts 1.

    >>> falling_weights(4)
    (1.0, 0.5, 0.3333333333333333, 0.25)
    """
    return rising_weights(steps)[::-1]


def last_step_weights(steps: int, *, last: float = 3.0) -> tuple[float, ...]:
    """Return 1 for every step and ``last`` for the newest, ``>= 0``; ``S`` for it undoes the mean over steps.

    >>> last_step_weights(3)
    (1.0, 1.0, 3.0)
    """
    checks.at_least(1, steps=steps)
    checks.at_least(0, last=last)
    return (*[1.0] * (steps - 1), float(last))


def joint_risk(risks: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the sum of weighted risks, divided by the number of steps and not by the weights' sum.

    Args:
        risks: Mean loss of each step's batch, ``S`` scalars.
        weights: ``a``, ``S`` numbers ``>= 0``.

    Returns:
        A scalar.

    Raises:
        ValueError: If there is no step, the lengths differ, or a weight is negative.

    Example:
        >>> joint_risk([torch.tensor(2.0), torch.tensor(1.0)], last_step_weights(2))
        tensor(2.5000)
    """
    checks.at_least(1, steps=len(risks))
    if len(risks) != len(weights):
        raise ValueError(f"each step needs one weight: {len(risks)} steps, {len(weights)} weights")
    checks.at_least(0, weight=min(weights))
    return torch.stack([weight * risk for risk, weight in zip(risks, weights, strict=True)]).sum() / len(risks)
