"""Settings of ``subspace``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, InRange, OneOf
from modelheir.methods.subspace.names import ABOUT, AUTO, IN_PLANE, tried
from modelheir.objective.adversarial.settings import AdversarialConfig
from modelheir.objective.subspace.settings import LBFGSConfig, QuasiNewtonConfig
from modelheir.objective.supervised import SupervisedConfig

__all__ = ["Config", "ProjectedConfig", "WeightsConfig"]


@dataclasses.dataclass(frozen=True)
class ProjectedConfig:
    """Settings of gradient descent in the plane, by SGD with a rate that falls to 0 in a line."""

    lr: Annotated[float, AtLeast(0)] = (
        0.0  #: at the start, of coordinates along directions of length 1; 0 is fit.lr where that is of sgd, whose steps
        #: these are in the plane, else 0.1
    )
    momentum: Annotated[float, InRange(0, 1)] = 0.9  #: of the coordinates' gradients
    weight_decay: Annotated[float, AtLeast(0)] = 0.0  #: of the network's weights, as far as the plane reaches them


@dataclasses.dataclass(frozen=True)
class WeightsConfig:
    """Settings of trainable weight averaging."""

    coefficients: Annotated[str, OneOf("snapshot", "block")] = (
        "snapshot"  #: what has a weight of its own: each snapshot, by an orthonormal basis of them; or each parameter
        #: of each, as far as it is from their mean
    )
    groups: Annotated[int, AtLeast(1)] = 1  #: parts of the snapshots, one trained after another: memory holds one
    held_out: Annotated[float, InRange(0, 1)] = (
        0.0  #: share of the training images that nothing else is trained on and the weights are; 0: they see the others
    )
    optimizer: Annotated[str, OneOf("sgd", "adamw")] = "sgd"  #: how the weights move
    lr: Annotated[float, AtLeast(0)] = 0.0  #: at the start, as that of psgd; of adamw 0 is 0.001
    momentum: Annotated[float, InRange(0, 1)] = 0.9  #: of the coordinates' gradients
    weight_decay: Annotated[float, AtLeast(0)] = 1e-5  #: of the averaged weights


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``subspace``."""

    start: str = ""  #: run:DIR whose snapshots are used (run:DIR#STAGE of one of its stages); '' trains a network first
    snapshots: str = ""  #: which of them, in order and from 0, as START:STOP or START:STOP:STEP; '' is the latest 60 %
    ways: Annotated[tuple[str, ...], OneOf(AUTO, *ABOUT)] = (
        AUTO,
    )  #: that are tried; the best on the selection images is kept. auto is cut, anneal, swa, ema, lawa, greedy, twa,
    #: psgd and pbfgs
    seeds: Annotated[int, AtLeast(1)] = 1  #: networks trained and continued, from one seed more each; of start, 1
    epochs: Annotated[int, AtLeast(1)] = 2  #: passes over the training images of each way that trains
    components: Annotated[float, AtLeast(0)] = (
        0  #: directions of the plane, or below 1 the share of the snapshots' variance that they explain; 0 is 32, or as
        #: many as the snapshots have
    )
    bits: Annotated[int, InRange(1, 32)] = (
        32  #: of a number of the directions in memory: 32, or 16; 8 and fewer are codes between the least and the
        #: largest number of a parameter, whose values are kept in 16
    )
    begin: Annotated[str, OneOf("last", "mean", "first")] = "last"  #: the point of the plane where training begins
    recalibrate: bool = True  #: averages get batch-norm statistics of the training images
    ema_decay: Annotated[float, InRange(0, 1)] = 0.8  #: ema: decay a snapshot, below 1
    latest: Annotated[int, AtLeast(1)] = 6  #: lawa: snapshots averaged
    psgd: ProjectedConfig = dataclasses.field(default_factory=ProjectedConfig)
    twa: WeightsConfig = dataclasses.field(default_factory=WeightsConfig)
    pbfgs: QuasiNewtonConfig = dataclasses.field(default_factory=QuasiNewtonConfig)
    lbfgs: LBFGSConfig = dataclasses.field(default_factory=LBFGSConfig)
    adversarial: AdversarialConfig = dataclasses.field(default_factory=AdversarialConfig)
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        why, names = f"ways = {list(self.ways)!r}", set(tried(self.ways))
        of = {
            "ema_decay": {"ema"},
            "latest": {"lawa"},
            "twa": {"twa"},
            "pbfgs": {"pbfgs"},
            "lbfgs": {"lbfgs"},
            "psgd": {"psgd", "random"},
            "begin": IN_PLANE,
            "components": IN_PLANE,
            "bits": IN_PLANE | {"twa"},
            "recalibrate": {"swa", "ema", "lawa", "greedy", "twa"}
            | (IN_PLANE if self.begin == "mean" else frozenset()),
            "epochs": {"anneal", "twa", "full"} | IN_PLANE,
        }
        return {key: why for key, ways in of.items() if not ways & names}
