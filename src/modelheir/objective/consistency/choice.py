"""Learning from vectors without labels: how they are changed, and what predictions for them teach."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, InRange
from modelheir.objective.thresholds.choice import PseudoLabelConfig

__all__ = ["ConsistencyConfig", "VectorNoiseConfig"]


@dataclasses.dataclass(frozen=True)
class VectorNoiseConfig:
    """How strongly vectors are changed; all at 0 leaves them alone."""

    gaussian: Annotated[float, AtLeast(0)] = 0.0  #: size of noise added to each number, in its own deviations
    dropout: Annotated[float, InRange(0, 1)] = 0.0  #: share of numbers set to their mean; the others make up for it
    mask: Annotated[float, InRange(0, 1)] = 0.0  #: share of numbers set to their mean, the others as they are


@dataclasses.dataclass(frozen=True)
class ConsistencyConfig:
    """Settings of the loss of samples without labels."""

    weight: Annotated[float, AtLeast(0)] = 1.0  #: of the loss of samples without labels
    labels: PseudoLabelConfig = dataclasses.field(default_factory=PseudoLabelConfig)
    weak: VectorNoiseConfig = dataclasses.field(default_factory=VectorNoiseConfig)  #: of what is predicted from
    strong: VectorNoiseConfig = dataclasses.field(
        default_factory=lambda: VectorNoiseConfig(gaussian=0.5, mask=0.3)
    )  #: of what learns
