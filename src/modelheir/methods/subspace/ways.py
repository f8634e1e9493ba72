"""The stage of each way: what prepares it, and what it costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelheir.methods.subspace import averages, continued, planes

if TYPE_CHECKING:
    from modelheir.methods.subspace.build import Build, Done
    from modelheir.plans import Task

__all__ = ["WAYS", "Way"]


@dataclasses.dataclass(frozen=True)
class Way:
    """A way from snapshots to a network."""

    prepare: Callable[[Build, Done], Task]
    trains: bool  #: whether it passes over the training images with gradients


#: name -> way
WAYS: dict[str, Way] = {
    "cut": Way(averages.cut, trains=False),
    "recalibrated": Way(averages.recalibrated, trains=False),
    "anneal": Way(continued.anneal, trains=True),
    "swa": Way(averages.swa, trains=False),
    "ema": Way(averages.ema, trains=False),
    "lawa": Way(averages.lawa, trains=False),
    "greedy": Way(averages.greedy, trains=False),
    "twa": Way(planes.twa, trains=True),
    "psgd": Way(planes.psgd, trains=True),
    "pbfgs": Way(planes.pbfgs, trains=True),
    "lbfgs": Way(planes.lbfgs, trains=True),
    "random": Way(planes.random, trains=True),
    "full": Way(continued.full, trains=True),
}
