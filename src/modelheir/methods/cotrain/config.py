"""Settings of ``cotrain``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.methods.cotrain.names import ABOUT, AUTO, tried
from modelheir.objective.consistency.choice import ConsistencyConfig
from modelheir.objective.meta.settings import MetaConfig, MetaPseudoLabelsConfig
from modelheir.selection.cotraining.settings import ExchangeConfig

__all__ = ["Config", "RoundsConfig", "TuningConfig"]


@dataclasses.dataclass(frozen=True)
class RoundsConfig:
    """Settings of the rounds of co-training; what is handed over in each, ``exchange`` says."""

    number: Annotated[int, AtLeast(1)] = 10  #: rounds, fewer where nothing more is handed over
    from_scratch: bool = True  #: heads are drawn anew each round; false goes on with their weights
    class_weights: bool = False  #: labels of rare classes count more, by -log of half the class's share


@dataclasses.dataclass(frozen=True)
class TuningConfig:
    """How an encoder is trained with a linear head before its vectors are computed; else as ``fit`` says."""

    epochs: Annotated[int, AtLeast(1)] = 30  #: passes over the labelled images
    lr: Annotated[float, AtLeast(0)] = 0.0  #: learning rate of the encoder, a tenth of the head's; 0 is 0.0003 for all
    #: weights, 0.003 for adapters
    batch_size: Annotated[int, AtLeast(1)] = 16  #: images a step, over all processes


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``cotrain``."""

    views: tuple[str, ...] = ()  #: what looks at the images, at least two: encoders (pkg:NAME, timm:NAME, tv:NAME,
    #: run:DIR, encoder:NAME, hf:ID; modelheir embed --list) or folders that modelheir embed wrote; () is the left and
    #: the right half of the digits
    encoder_size: Annotated[int, AtLeast(0)] = 0  #: pixels a side that encoders see; 0 is each one's own
    tune: str = ""  #: whether encoders are first trained on the labelled images, and frozen again: all, or low_rank:8,
    #: adapters of rank 8; '' leaves them as they are
    tuning: TuningConfig = dataclasses.field(default_factory=TuningConfig)
    labels: str = ""  #: how many training labels are used, such as 0.01, 1 % or '5 per class', or index:FILE with a
    #: position or sample id a line; the other images are the pool. '' is all with unlabelled, and of the digits 5 per
    #: class
    check_labels: Annotated[str, OneOf("off", "list", "drop")] = "off"  #: look for labels that are likely wrong, by
    #: what a logistic regression on the other labels says: list them, or also leave them out
    label_rule: Annotated[str, OneOf("stratified", "balanced", "published_stratified", "published_balanced")] = (
        "stratified"  #: how a share of labels is divided among the classes
    )
    unlabelled: str = ""  #: images without labels, named as --data is; '' is what labels leaves
    algorithms: Annotated[tuple[str, ...], OneOf(AUTO, *ABOUT)] = (
        AUTO,
    )  #: that are tried; the best on the selection images is kept. auto is supervised,
    #: concatenated, logistic, pseudo_label, cotrain and mct
    budget: str = ""  #: time, such as 90s, 10m or 1h, after which no further algorithm begins, in the order given; ''
    #: tries all
    seeds: Annotated[int, AtLeast(1)] = 3  #: trainings of each, from one seed more each
    joint: Annotated[str, OneOf("product", "prior_product", "mean")] = (
        "product"  #: how views predict together: product of probabilities, divided by the classes' frequencies, or mean
    )
    calibrate: bool = True  #: logits are divided by the temperature that fits the selection images, view by view,
    #: before views predict together or labels are handed over
    head: VectorHeadConfig = dataclasses.field(default_factory=lambda: VectorHeadConfig(kind="mlp", hidden=(128, 128)))
    pseudo_threshold: Annotated[float, InRange(0, 1)] = 0.8  #: pseudo_label: lowest joint probability of a label
    consistency: ConsistencyConfig = dataclasses.field(default_factory=ConsistencyConfig)
    rounds: RoundsConfig = dataclasses.field(default_factory=RoundsConfig)
    exchange: ExchangeConfig = dataclasses.field(default_factory=ExchangeConfig)
    meta_rate: Annotated[float, Above(0)] = 1.0  #: mct, mpl: of the learning rate, after the training on labels
    mct: MetaConfig = dataclasses.field(default_factory=MetaConfig)
    mpl: MetaPseudoLabelsConfig = dataclasses.field(default_factory=MetaPseudoLabelsConfig)

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        why = f"algorithms = {list(self.algorithms)!r}"
        names = tried(self.algorithms)
        found = {} if "cotrain" in names else {"rounds": why, "exchange": why}
        found |= {name: why for name in ("consistency", "mct", "mpl") if name not in names}
        found |= {} if {"mct", "mpl"} & set(names) else {"meta_rate": why}
        found |= {} if "pseudo_label" in names else {"pseudo_threshold": why}
        found |= {} if len(names) > 1 else {"budget": why}
        found |= {} if self.tune else {"tuning": "tune = ''"}
        return found if self.labels else {**found, "label_rule": "labels = ''"}
