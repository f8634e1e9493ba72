"""Settings of the distillation losses that compare features or maps of features, a group a loss, named as the loss."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InputError, InRange, OneOf

__all__ = [
    "AttentionFeature",
    "AttentionTransfer",
    "ContrastiveRepresentation",
    "CorrelationCongruence",
    "FeatureDistance",
    "FeatureSettings",
    "MaskedGenerative",
    "ProjectorEnsemble",
    "Relational",
    "Review",
    "VariationalInformation",
]


@dataclasses.dataclass(frozen=True)
class FeatureDistance:
    """Settings of ``feature_distance``."""

    distance: Annotated[str, OneOf("l1", "l2", "smooth_l1")] = "l2"  #: of each element


@dataclasses.dataclass(frozen=True)
class Relational:
    """Settings of ``relational`` (RKD)."""

    distance_weight: Annotated[float, AtLeast(0)] = 1.0  #: of distances between images; the paper's is 25
    angle_weight: Annotated[float, AtLeast(0)] = 1.0  #: of angles between images, cubic in the batch; the paper's is 50

    def __post_init__(self) -> None:
        if self.distance_weight == 0 and self.angle_weight == 0:
            raise InputError(
                "relational.distance_weight and relational.angle_weight are both 0: give one of them more."
            )


@dataclasses.dataclass(frozen=True)
class MaskedGenerative:
    """Settings of ``masked_generative`` (MGD)."""

    mask_share: Annotated[float, InRange(0, 1)] = 0.15  #: probability with which a channel is left out
    scale: Annotated[float, Above(0)] = 1.756  #: multiplies the mean square


@dataclasses.dataclass(frozen=True)
class ProjectorEnsemble:
    """Settings of ``projector_ensemble`` (PEFD)."""

    projectors: Annotated[int, AtLeast(1)] = 3  #: that are averaged
    pooling: Annotated[str, OneOf("flatten", "gap")] = "gap"  #: every element of a map, or channel means


@dataclasses.dataclass(frozen=True)
class AttentionFeature:
    """Settings of ``attention_feature`` (AFD)."""

    width: Annotated[int, AtLeast(1)] = 128  #: of queries and keys


@dataclasses.dataclass(frozen=True)
class AttentionTransfer:
    """Settings of ``attention_transfer`` (AT)."""

    power: Annotated[float, AtLeast(1)] = 2.0  #: exponent of the activations; more looks at the strongest channels


@dataclasses.dataclass(frozen=True)
class CorrelationCongruence:
    """Settings of ``correlation_congruence`` (CC)."""

    gamma: Annotated[float, Above(0)] = 0.4  #: of the Gaussian kernel; more looks at near images
    order: Annotated[int, AtLeast(1)] = 2  #: last power of the kernel's series


@dataclasses.dataclass(frozen=True)
class VariationalInformation:
    """Settings of ``variational_information`` (VID)."""

    first_variance: Annotated[float, AtLeast(0.001)] = 5.0  #: of every channel at the start


@dataclasses.dataclass(frozen=True)
class ContrastiveRepresentation:
    """Settings of ``contrastive_representation`` (CRD, within the batch)."""

    width: Annotated[int, AtLeast(1)] = 128  #: dimensions of the projections
    temperature: Annotated[float, Above(0)] = 0.07  #: divisor of the cosine similarities


@dataclasses.dataclass(frozen=True)
class Review:
    """Settings of ``review`` (ReviewKD)."""

    width: Annotated[int, AtLeast(1)] = 64  #: channels while layers are fused


@dataclasses.dataclass(frozen=True)
class FeatureSettings:
    """A group of settings for each distillation loss of features that has any."""

    feature_distance: FeatureDistance = dataclasses.field(default_factory=FeatureDistance)
    relational: Relational = dataclasses.field(default_factory=Relational)
    correlation_congruence: CorrelationCongruence = dataclasses.field(default_factory=CorrelationCongruence)
    contrastive_representation: ContrastiveRepresentation = dataclasses.field(default_factory=ContrastiveRepresentation)
    masked_generative: MaskedGenerative = dataclasses.field(default_factory=MaskedGenerative)
    projector_ensemble: ProjectorEnsemble = dataclasses.field(default_factory=ProjectorEnsemble)
    attention_transfer: AttentionTransfer = dataclasses.field(default_factory=AttentionTransfer)
    variational_information: VariationalInformation = dataclasses.field(default_factory=VariationalInformation)
    attention_feature: AttentionFeature = dataclasses.field(default_factory=AttentionFeature)
    review: Review = dataclasses.field(default_factory=Review)
