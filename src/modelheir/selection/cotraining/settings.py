"""Settings of what views teach one another in a round of co-training."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import InRange, OneOf

__all__ = ["ExchangeConfig"]


@dataclasses.dataclass(frozen=True)
class ExchangeConfig:
    """Which rows are handed over, and for how long.

    The first published version is ``top_k`` without ``rederive``, the later one ``certain`` with it and a share of 1.
    """

    rule: Annotated[str, OneOf("stratified", "top_k", "certain", "threshold")] = (
        "stratified"  #: the surest rows of each class in the classes' proportions; the surest of all; of each class as
        #: many as are certain; or all above threshold
    )
    share: Annotated[float, InRange(0, 1)] = 0.1  #: most rows a view is taught in a round, a fraction of the first pool
    threshold: Annotated[float, InRange(0, 1)] = 0.95  #: least probability, of ``threshold``
    uncertainty: Annotated[float, InRange(0, 1)] = 0.075  #: what still is certain, of ``certain``; 0 is the surest row
    rederive: bool = True  #: each round chooses from the whole pool again; else what was taught is out of the pool
