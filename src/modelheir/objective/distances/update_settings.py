"""Settings of the distances of updates, a group a distance, named as the loss."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, OneOf

__all__ = [
    "ContrastiveFeatureAlignment",
    "KLDistillation",
    "LogitDifference",
    "LogitMatching",
    "NeighbourhoodAlignment",
    "RandomProjection",
    "Renyi",
    "RetentiveCrossEntropy",
    "UpdateSettings",
]


@dataclasses.dataclass(frozen=True)
class KLDistillation:
    """Settings of ``kl_distillation``."""

    temperature: Annotated[float, Above(0)] = 100.0  #: divisor of both logits; about 100 imitates logit matching
    scale_by_square: bool = True  #: multiply by the squared temperature


@dataclasses.dataclass(frozen=True)
class LogitMatching:
    """Settings of ``logit_matching``."""

    reduction: Annotated[str, OneOf("mean", "half_sum")] = "mean"  #: over classes; half_sum is the paper's


@dataclasses.dataclass(frozen=True)
class LogitDifference:
    """Settings of ``logit_difference`` (LDI)."""

    margin: Annotated[float, AtLeast(0)] = 0.5  #: free difference, in logits
    power: Annotated[float, AtLeast(1)] = 2.0  #: exponent of what exceeds the margin
    top_k: Annotated[int, AtLeast(0)] = 0  #: classes counted; 0 counts all
    rank_by: Annotated[str, OneOf("new", "old")] = "new"  #: whose largest logits the top classes are
    exclude_label: bool = True  #: leave the labelled class free; mixed images have none
    one_sided: bool = False  #: charge only logits that rise above the old ones
    label_weight: Annotated[float, AtLeast(0)] = 0.0  #: also charge a label's logit that falls below
    relative: bool = False  #: measure differences in units of the old model's largest absolute logit
    p_norm: bool = False  #: p-norm over classes in place of the mean of powers


@dataclasses.dataclass(frozen=True)
class NeighbourhoodAlignment:
    """Settings of ``neighbourhood_alignment`` (CNA)."""

    temperature: Annotated[float, Above(0)] = 0.05  #: divisor of the cosine similarities
    top_k: Annotated[int, AtLeast(1)] = 1  #: old neighbours of an image
    supervised: bool = False  #: neighbours must share the label
    order: Annotated[str, OneOf("out", "in")] = "out"  #: sum outside or inside the logarithm


@dataclasses.dataclass(frozen=True)
class Renyi:
    """Settings of ``renyi``."""

    alpha: Annotated[float, Above(0)] = 2.0  #: order, not 1
    reorder: bool = False  #: sort both probability vectors first


@dataclasses.dataclass(frozen=True)
class RetentiveCrossEntropy:
    """Settings of ``retentive_cross_entropy``."""

    two_heads: bool = False  #: add the mirrored term


@dataclasses.dataclass(frozen=True)
class RandomProjection:
    """Settings of ``random_projection``."""

    width: Annotated[int, AtLeast(1)] = 128  #: dimensions compared
    new_projection: Annotated[str, OneOf("learnable", "frozen", "shared")] = "learnable"  #: of new features
    normalize: bool = False  #: columns of unit length
    bias: bool = False  #: add a learned vector to the projected new features


@dataclasses.dataclass(frozen=True)
class ContrastiveFeatureAlignment:
    """Settings of ``contrastive_feature_alignment``: pull to the class, push from other classes."""

    margin: Annotated[float, Above(0)] = 3.0  #: distance at which another class is far enough


@dataclasses.dataclass(frozen=True)
class UpdateSettings:
    """A group of settings for each distance of updates that has any."""

    kl_distillation: KLDistillation = dataclasses.field(default_factory=KLDistillation)
    logit_matching: LogitMatching = dataclasses.field(default_factory=LogitMatching)
    logit_difference: LogitDifference = dataclasses.field(default_factory=LogitDifference)
    neighbourhood_alignment: NeighbourhoodAlignment = dataclasses.field(default_factory=NeighbourhoodAlignment)
    renyi: Renyi = dataclasses.field(default_factory=Renyi)
    retentive_cross_entropy: RetentiveCrossEntropy = dataclasses.field(default_factory=RetentiveCrossEntropy)
    random_projection: RandomProjection = dataclasses.field(default_factory=RandomProjection)
    contrastive_feature_alignment: ContrastiveFeatureAlignment = dataclasses.field(
        default_factory=ContrastiveFeatureAlignment
    )
