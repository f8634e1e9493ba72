"""Distances from a new model to an old one, by name: settings that every update method shares, and how they are built.

The settings import no torch; :func:`make_distance` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, cast

from modelheir.checks import Above, AtLeast, InRange, OneOf

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.types import Outputs, Step

__all__ = [
    "DISTANCES",
    "KL",
    "DistanceConfig",
    "FeatureAlignment",
    "LogitDifference",
    "LogitMatching",
    "Neighbourhood",
    "RandomProjection",
    "Renyi",
    "RetentiveCrossEntropy",
    "label_setting",
    "make_distance",
]

DISTANCES = (
    "kl_distillation",
    "logit_matching",
    "logit_difference",
    "neighbourhood_alignment",
    "renyi",
    "retentive_cross_entropy",
    "random_projection",
    "feature_alignment",
    "new_error",
    "imitation",
    "strict_imitation",
)
_ON_LABELS = ("retentive_cross_entropy", "new_error", "strict_imitation")
_ON_FEATURES = ("neighbourhood_alignment", "random_projection", "feature_alignment")


@dataclasses.dataclass(frozen=True)
class KL:
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
class Neighbourhood:
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
class FeatureAlignment:
    """Settings of ``feature_alignment``."""

    contrastive: bool = False  #: pull to the class, push from other classes
    margin: Annotated[float, Above(0)] = 3.0  #: distance at which another class is far enough


@dataclasses.dataclass(frozen=True)
class DistanceConfig:
    """Which distance, and the settings of each; only the chosen one's are read."""

    loss: Annotated[str, OneOf(*DISTANCES)] = "kl_distillation"  #: distance to the old model
    mix_with: Annotated[str, OneOf("none", *DISTANCES)] = "none"  #: a second distance, mixed in
    mix_share: Annotated[float, InRange(0, 1)] = 0.5  #: share of ``loss`` in the mix; the rest is ``mix_with``
    kl: KL = dataclasses.field(default_factory=KL)
    logit_matching: LogitMatching = dataclasses.field(default_factory=LogitMatching)
    logit_difference: LogitDifference = dataclasses.field(default_factory=LogitDifference)
    neighbourhood: Neighbourhood = dataclasses.field(default_factory=Neighbourhood)
    renyi: Renyi = dataclasses.field(default_factory=Renyi)
    retentive: RetentiveCrossEntropy = dataclasses.field(default_factory=RetentiveCrossEntropy)
    projection: RandomProjection = dataclasses.field(default_factory=RandomProjection)
    features: FeatureAlignment = dataclasses.field(default_factory=FeatureAlignment)


def label_setting(config: DistanceConfig) -> str:
    """Return the setting by which a distance needs one label an image, with its value; "" where it needs none.

    >>> label_setting(DistanceConfig(loss="imitation", mix_with="new_error"))
    "mix_with = 'new_error'"
    """
    by_setting = {
        "neighbourhood_alignment": ("neighbourhood.supervised", config.neighbourhood.supervised),
        "feature_alignment": ("features.contrastive", config.features.contrastive),
        "logit_difference": ("logit_difference.label_weight", config.logit_difference.label_weight),
    }
    for key, name in (("loss", config.loss), ("mix_with", config.mix_with)):
        setting, value = (key, name) if name in _ON_LABELS else by_setting.get(name, (key, None))
        if value:
            return f"{setting} = {value!r}"
    return ""


Distance = Callable[["Outputs", "Outputs", "Tensor", "Step"], "Tensor"]


def make_distance(
    config: DistanceConfig, *, new_features: int, old_features: int, seed: int
) -> tuple[Distance, dict[str, nn.Module]]:
    """Build the distance and the modules it trains.

    Args:
        config: Which, and its settings.
        new_features: Width ``D`` of the new model's features.
        old_features: Width of the old model's features; 0 where only its logits are stored.
        seed: Of a random projection.

    Returns:
        A function ``(new, old, labels, step) -> (N,)``, and trainable modules by name for the optimiser.

    Raises:
        InputError: If the distance compares features and the old model has only logits.
    """
    first, modules = _one(config.loss, config, new_features, old_features, seed)
    if config.mix_with == "none":
        return first, modules
    second, more = _one(config.mix_with, config, new_features, old_features, seed)
    share = config.mix_share

    def mixed(new: Outputs, old: Outputs, labels: Tensor, step: Step) -> Tensor:
        return share * first(new, old, labels, step) + (1 - share) * second(new, old, labels, step)

    return mixed, {**modules, **more}


def _one(
    name: str, config: DistanceConfig, new_features: int, old_features: int, seed: int
) -> tuple[Distance, dict[str, nn.Module]]:
    from modelheir import losses
    from modelheir.checks import InputError

    if name in _ON_FEATURES and old_features == 0:
        raise InputError(f"method.loss = {name!r} compares features, and the stored outputs of --old hold only logits.")
    kl, ldi, cna = config.kl, config.logit_difference, config.neighbourhood
    if name == "kl_distillation":
        return lambda n, o, y, s: losses.kl_distillation(n.logits, o.logits, **vars(kl)), {}
    if name == "logit_matching":
        how = cast(Any, config.logit_matching.reduction)
        return lambda n, o, y, s: losses.logit_matching(n.logits, o.logits, reduction=how), {}
    if name == "logit_difference":
        settings: dict[str, Any] = {**vars(ldi), "top_k": ldi.top_k or None}
        return lambda n, o, y, s: losses.logit_difference(n.logits, o.logits, y, **settings), {}
    if name == "neighbourhood_alignment":
        near: dict[str, Any] = vars(cna)
        return lambda n, o, y, s: losses.neighbourhood_alignment(n.features, o.features, y, gather=s.gather, **near), {}
    if name == "renyi":
        return lambda n, o, y, s: losses.renyi(n.logits, o.logits, **vars(config.renyi)), {}
    if name == "retentive_cross_entropy":
        return lambda n, o, y, s: losses.retentive_cross_entropy(n.logits, o.logits, y, **vars(config.retentive)), {}
    if name == "random_projection":
        projection = losses.RandomProjectionLoss(new_features, old_features, seed=seed, **vars(config.projection))
        return lambda n, o, y, s: projection.per_image(n.features, o.features), {"projection": projection}
    if name == "feature_alignment" and config.features.contrastive:
        margin = config.features.margin
        return lambda n, o, y, s: losses.contrastive_feature_alignment(n.features, o.features, y, margin=margin), {}
    if name == "feature_alignment":
        return lambda n, o, y, s: losses.feature_alignment(n.features, o.features), {}
    if name == "new_error":
        return lambda n, o, y, s: losses.new_error(n.logits, o.logits, y), {}
    if name == "imitation":
        return lambda n, o, y, s: losses.imitation(n.logits, o.logits), {}
    return lambda n, o, y, s: losses.strict_imitation(n.logits, o.logits, y), {}
