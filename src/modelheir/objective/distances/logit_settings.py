"""Settings of the distillation losses that compare logits, a group a loss, named as the loss."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = [
    "Decoupled",
    "Dist",
    "Jeffreys",
    "LogitDistance",
    "LogitSettings",
    "Spherical",
    "TeacherCrossEntropy",
    "WeightedSoftLabels",
]


@dataclasses.dataclass(frozen=True)
class Jeffreys:
    """Settings of ``jeffreys`` (the SSLD loss)."""

    act: Annotated[str, OneOf("softmax", "sigmoid")] = (
        "softmax"  #: makes probabilities; sigmoid is one-sided, as documented
    )
    sum_over_classes: bool = False  #: multiply by the number of classes


@dataclasses.dataclass(frozen=True)
class TeacherCrossEntropy:
    """Settings of ``teacher_cross_entropy`` (soft CE)."""

    temperature: Annotated[float, Above(0)] = 1.0  #: divisor of both logits


@dataclasses.dataclass(frozen=True)
class Decoupled:
    """Settings of ``decoupled`` (DKD)."""

    alpha: Annotated[float, AtLeast(0)] = 1.0  #: weight of the part between target and the rest
    beta: Annotated[float, AtLeast(0)] = 1.0  #: weight of the part among the other classes
    temperature: Annotated[float, Above(0)] = 1.0  #: divisor of both logits
    target: Annotated[str, OneOf("label", "teacher")] = (
        "label"  #: class set apart; unlabelled images take the teacher's
    )


@dataclasses.dataclass(frozen=True)
class Dist:
    """Settings of ``dist`` (DIST)."""

    beta: Annotated[float, AtLeast(0)] = 1.0  #: weight of the correlation over an image's classes
    gamma: Annotated[float, AtLeast(0)] = 1.0  #: weight of the correlation of each class over the batch
    temperature: Annotated[float, Above(0)] = 1.0  #: divisor of both logits


@dataclasses.dataclass(frozen=True)
class WeightedSoftLabels:
    """Settings of ``weighted_soft_labels`` (WSL)."""

    temperature: Annotated[float, Above(0)] = 2.0  #: divisor of both logits


@dataclasses.dataclass(frozen=True)
class Spherical:
    """Settings of ``spherical`` (SKD), which holds the label's loss already."""

    alpha: Annotated[float, InRange(0, 1)] = 0.9  #: share of the teacher's part; the rest is the label's
    multiplier: Annotated[float, Above(0)] = 2.0  #: standard deviation that both logits are brought to
    temperature: Annotated[float, Above(0)] = 1.0  #: divisor of both logits in the teacher's part


@dataclasses.dataclass(frozen=True)
class LogitDistance:
    """Settings of ``logit_distance``."""

    distance: Annotated[str, OneOf("l1", "l2", "smooth_l1")] = "l2"  #: absolute, squared, or squared near zero only
    act: Annotated[str, OneOf("softmax", "sigmoid", "none")] = "none"  #: what the logits go through first


@dataclasses.dataclass(frozen=True)
class LogitSettings:
    """A group of settings for each distillation loss of logits that has any."""

    jeffreys: Jeffreys = dataclasses.field(default_factory=Jeffreys)
    teacher_cross_entropy: TeacherCrossEntropy = dataclasses.field(default_factory=TeacherCrossEntropy)
    decoupled: Decoupled = dataclasses.field(default_factory=Decoupled)
    dist: Dist = dataclasses.field(default_factory=Dist)
    weighted_soft_labels: WeightedSoftLabels = dataclasses.field(default_factory=WeightedSoftLabels)
    spherical: Spherical = dataclasses.field(default_factory=Spherical)
    logit_distance: LogitDistance = dataclasses.field(default_factory=LogitDistance)
