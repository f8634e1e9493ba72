"""Settings of what views teach one another in a round of co-training."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import InRange, OneOf

__all__ = ["RULES", "ExchangeConfig"]

RULES = OneOf("stratified", "top_k", "certain", "threshold")


@dataclasses.dataclass(frozen=True)
class ExchangeConfig:
    """Which rows are handed over, and for how long.

    ``stratified``: the surest of each class, in the classes' proportions; ``top_k``: the surest of all; ``certain``: as
    ``stratified``, but only as many as are certain; ``threshold``: those above a probability.
    The first published version is ``top_k`` without ``rederive``, the later one ``certain`` with it and a share of 1.
    """

    rule: Annotated[str, RULES] = "stratified"  #: the surest of each class, of all, those certain, or sure enough
    share: Annotated[float, InRange(0, 1)] = 0.1  #: most rows a view is taught in a round, a fraction of the first pool
    threshold: Annotated[float, InRange(0, 1)] = 0.95  #: least probability, of ``threshold``
    uncertainty: Annotated[float, InRange(0, 1)] = 0.075  #: what still is certain, of ``certain``; 0 is the surest row
    rederive: bool = True  #: each round chooses from the whole pool again; else what was taught is out of the pool
