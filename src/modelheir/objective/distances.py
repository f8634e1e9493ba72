"""The table of distances from a new model to an old one, and how a chosen one is built.

A row is named as its loss, and so is the group of its settings. The table imports no torch; :func:`make_distance` does.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from modelheir import losses
from modelheir.checks import Above, AtLeast, InputError, InRange, OneOf

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.types import Outputs, Step

__all__ = [
    "DISTANCES",
    "ContrastiveFeatureAlignment",
    "DistanceConfig",
    "KLDistillation",
    "LogitDifference",
    "LogitMatching",
    "NeighbourhoodAlignment",
    "RandomProjection",
    "Renyi",
    "RetentiveCrossEntropy",
    "Row",
    "label_setting",
    "make_distance",
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
class Row:
    """What is known of a distance without importing it."""

    settings: type[Any] | None  #: its group of settings, or none
    reads: Literal["logits", "features"]
    labels: Literal["", "reads", "needs"] = ""  #: takes no labels; takes them; has no value without one label an image
    needs_where: str = ""  #: the setting with which one that reads labels needs them
    gathers: bool = False  #: compares an image with those of all processes
    module: str = ""  #: class of the loss where it has weights of its own; else it is the function of the row's name


DISTANCES: dict[str, Row] = {
    "kl_distillation": Row(KLDistillation, "logits"),
    "logit_matching": Row(LogitMatching, "logits"),
    "logit_difference": Row(LogitDifference, "logits", "reads", needs_where="label_weight"),
    "neighbourhood_alignment": Row(NeighbourhoodAlignment, "features", "reads", needs_where="supervised", gathers=True),
    "renyi": Row(Renyi, "logits"),
    "retentive_cross_entropy": Row(RetentiveCrossEntropy, "logits", "needs"),
    "random_projection": Row(RandomProjection, "features", module="RandomProjectionLoss"),
    "feature_alignment": Row(None, "features"),
    "contrastive_feature_alignment": Row(ContrastiveFeatureAlignment, "features", "needs"),
    "new_error": Row(None, "logits", "needs"),
    "imitation": Row(None, "logits"),
    "strict_imitation": Row(None, "logits", "needs"),
}


@dataclasses.dataclass(frozen=True)
class DistanceConfig:
    """Which distance, and the settings of each; only the chosen one's are read."""

    loss: Annotated[str, OneOf(*DISTANCES)] = "kl_distillation"  #: distance to the old model
    mix_with: Annotated[str, OneOf("none", *DISTANCES)] = "none"  #: a second distance, mixed in
    mix_share: Annotated[float, InRange(0, 1)] = 0.5  #: share of ``loss`` in the mix; the rest is ``mix_with``
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

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        why = f"loss = {self.loss!r}" + (f" and mix_with = {self.mix_with!r}" if self.mix_with != "none" else "")
        others = {name: why for name, row in DISTANCES.items() if row.settings and name not in self.chosen}
        return others if self.mix_with != "none" else {**others, "mix_share": "mix_with = 'none'"}

    @property
    def chosen(self) -> tuple[str, ...]:
        """The distances that are computed."""
        return (self.loss,) if self.mix_with == "none" else (self.loss, self.mix_with)


def label_setting(config: DistanceConfig) -> str:
    """Return the setting by which a distance needs one label an image, with its value; "" where it needs none.

    >>> label_setting(DistanceConfig(loss="imitation", mix_with="new_error"))
    "mix_with = 'new_error'"
    """
    for key, name in zip(("loss", "mix_with"), config.chosen, strict=False):
        row = DISTANCES[name]
        if row.labels == "needs":
            return f"{key} = {name!r}"
        if row.needs_where and (value := getattr(getattr(config, name), row.needs_where)):
            return f"{name}.{row.needs_where} = {value!r}"
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
    modules: dict[str, nn.Module] = {}
    parts = [_one(name, config, new_features, old_features, seed, modules) for name in config.chosen]
    if len(parts) == 1:
        return parts[0], modules
    share, (first, second) = config.mix_share, parts

    def mixed(new: Outputs, old: Outputs, labels: Tensor, step: Step) -> Tensor:
        return share * first(new, old, labels, step) + (1 - share) * second(new, old, labels, step)

    return mixed, modules


def _one(
    name: str,
    config: DistanceConfig,
    new_features: int,
    old_features: int,
    seed: int,
    modules: dict[str, nn.Module],
) -> Distance:
    row = DISTANCES[name]
    if row.reads == "features" and old_features == 0:
        raise InputError(
            f"method.distance.loss = {name!r} compares features, and the stored outputs of --old hold only logits."
        )
    given = dict(vars(getattr(config, name))) if row.settings else {}
    read = operator.attrgetter(row.reads)
    function: Any
    if row.module:
        module = getattr(losses, row.module)(new_features, old_features, seed=seed, **given)
        modules[name], function, given = module, module.per_image, {}
    else:
        function = getattr(losses, name)

    def distance(new: Outputs, old: Outputs, labels: Tensor, step: Step) -> Tensor:
        further = (labels,) if row.labels else ()
        gather = {"gather": step.gather} if row.gathers else {}
        return function(read(new), read(old), *further, **given, **gather)

    return distance
