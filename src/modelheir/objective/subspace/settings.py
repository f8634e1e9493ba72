"""Settings of steps in a plane of weights."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["LBFGSConfig", "QuasiNewtonConfig"]

#: what a published program fixes, as its rule differs from ours
_FIXED = ("pairs", "damping", "first_step", "scale", "condition", "interpolate")


@dataclasses.dataclass(frozen=True)
class QuasiNewtonConfig:
    """Settings of a quasi-Newton step in a plane, and of the momentum step outside it."""

    sigma: Annotated[float, InRange(1e-6, 0.5)] = 0.4  #: share of the promised fall of the loss that accepts a step
    rho: Annotated[float, InRange(0.1, 0.95)] = 0.55  #: factor between a step that was refused and the next on trial
    max_trials: Annotated[int, AtLeast(1)] = 20  #: steps on trial before a batch is passed over
    interpolate: bool = True  #: trials go where a parabola is lowest, never to more than rho of the one before
    pairs: Annotated[str, OneOf("same", "successive")] = (
        "successive"  #: whose gradients are compared: of this batch and the one before it, whose noise looks like
        #: curvature and shortens steps, or of the same one before and after its step, which costs a further forward
        #: and backward pass and fits small batches too well
    )
    damping: Annotated[float, InRange(0, 0.9)] = (
        0.2  #: share of the expected curvature that a pair must show, or it is mixed with what was expected; 0 leaves
        #: out pairs of no curvature
    )
    first_step: Annotated[float, AtLeast(0)] = (
        1.0  #: longest first step on trial, in the norm of the weights, while no curvature is known; 0 is no limit
    )
    scale: Annotated[float, Above(0)] = (
        10.0  #: of the inverse Hessian in directions that no pair has told of, against the first pair's
    )
    condition: Annotated[float, Above(1)] = 1e8  #: ratio of largest and smallest curvature above which all is forgotten
    alpha: Annotated[float, AtLeast(0)] = 0.0  #: rate of the step outside the plane; 0 is off
    gamma: Annotated[float, InRange(0, 1)] = 0.9  #: momentum of that step
    accumulate: Annotated[int, AtLeast(1)] = 1  #: micro-batches of each pass; must divide the batch of a process
    compat: Annotated[str, OneOf("", "early", "latest", "dldr")] = (
        ""  #: the rule of a published program, without its faults: early and latest MindSpore (3 trials, the last of
        #: which is taken anyway; 2 trials, or no step), DLDR (max_trials, or a step shorter than all of them)
    )

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        aside = {} if self.alpha else {"gamma": "alpha = 0.0"}
        if self.compat:
            fixed = _FIXED if self.compat == "dldr" else (*_FIXED, "max_trials")
            aside |= dict.fromkeys(fixed, f"compat = {self.compat!r}")
        return aside


@dataclasses.dataclass(frozen=True)
class LBFGSConfig:
    """Settings of limited-memory BFGS in a plane."""

    iterations: Annotated[int, AtLeast(1)] = 1  #: on each batch
    history: Annotated[int, AtLeast(1)] = 10  #: pairs that are remembered
    search: bool = True  #: for the strong Wolfe conditions; false takes steps of the learning rate
    accumulate: Annotated[int, AtLeast(1)] = 1  #: micro-batches of each pass; must divide the batch of a process
