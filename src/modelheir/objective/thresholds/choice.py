"""How predictions become labels of samples that have none: threshold, alignment of class shares, sharpness."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["PseudoLabelConfig"]

_READ = {  # threshold -> what it reads
    "fixed": ("confidence",),
    "flexmatch": ("confidence", "warm_up"),
    "freematch": ("momentum",),
    "softmatch": ("momentum", "spread"),
}


@dataclasses.dataclass(frozen=True)
class PseudoLabelConfig:
    """Settings of labels that a model gives to itself or to another."""

    threshold: Annotated[str, OneOf(*_READ, called={"fixmatch": "fixed"})] = "fixed"  #: what decides who teaches
    confidence: Annotated[float, InRange(0, 1)] = 0.95  #: lowest probability of a class that becomes a label
    warm_up: bool = True  #: flexmatch: lower thresholds while most samples were never sure
    momentum: Annotated[float, InRange(0, 1)] = 0.999  #: share of the past in what is kept of earlier predictions
    spread: Annotated[float, Above(0)] = 2.0  #: softmatch: larger trusts less below the mean confidence
    align: Annotated[str, OneOf("none", "uniform", "labelled")] = "none"  #: class shares that predictions are moved to
    sharpen: Annotated[float, AtLeast(0)] = 0.0  #: temperature of soft labels: 1 as predicted, 0 the likeliest class

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        read = (*_READ.get(self.threshold, ()), *(("momentum",) if self.align != "none" else ()))
        why = f"threshold = {self.threshold!r}"
        found = {name: why for name in ("confidence", "warm_up", "momentum", "spread") if name not in read}
        return {**found, "momentum": f"{why} and align = 'none'"} if "momentum" in found else found
