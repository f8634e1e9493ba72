r"""Mutual learning: the model and its peers train together and learn from each other; no one was trained before.

.. math:: L = \sum_i \big[ k_y \mathrm{CE}(z_i, y) + \text{mean over peers } j \text{ of } \ell(z_i, z_j) \big]

Deep mutual learning (DML) of Zhang et al., 2018, arXiv:1706.00384; with ``feature_distance`` it is UDML of SSLD's
documents. :mod:`modelheir.objective.cohort` has what differs from the paper. The run's model is the one that is
published; the peers stay in the stage's file.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Annotated, Any

from modelheir.checks import Above, AtLeast, InputError, OneOf
from modelheir.methods.declared import SourceUse
from modelheir.methods.given.pool import with_pool
from modelheir.methods.method import Method
from modelheir.objective.cohort import Cohort
from modelheir.objective.distances import CALLED, LOSSES, Jeffreys, KLDistillation
from modelheir.objective.distances.feature_settings import FeatureDistance
from modelheir.objective.supervised import SupervisedConfig, accept_supervised, make_supervised
from modelheir.objective.teaching import accept_losses
from modelheir.objective.together import NamedStep
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.types import Batch, Step

__all__ = ["METHOD", "Config", "accept", "plan"]

_BOTH = tuple(name for name, row in LOSSES.items() if row.both)

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``mutual``."""

    peers: tuple[str, ...] = ()  #: networks that train beside the model, each from its own seed, and are not exported;
    #: () is one more of the model's kind
    unlabelled: str = ""  #: images without labels, named as --data is, on which the networks only compare themselves
    losses: Annotated[tuple[str, ...], OneOf(*_BOTH, called=CALLED)] = (
        "kl_distillation",
    )  #: from each network to its peers
    loss_weights: Annotated[tuple[float, ...], AtLeast(0)] = ()  #: one a loss, in the same order; () is all 1
    constant: bool = True  #: a peer is a constant in another's loss; false lets gradients flow into both, each
    #: direction of a pair at half its weight
    label_weight: Annotated[float, Above(0)] = 1.0  #: of each network's loss against labels
    taps: tuple[str, ...] = ()  #: what feature_distance compares: one path for all networks, or one each, the model's
    #: first; () is the last map of each
    kl_distillation: KLDistillation = dataclasses.field(default_factory=lambda: KLDistillation(temperature=1.0))
    jeffreys: Jeffreys = dataclasses.field(default_factory=Jeffreys)
    feature_distance: FeatureDistance = dataclasses.field(default_factory=FeatureDistance)
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        why = f"losses = {list(self.losses)!r}"
        found = {name: why for name in _BOTH if LOSSES[name].settings and name not in self.losses}
        return found if any(LOSSES[name].reads == "maps" for name in self.losses) else {**found, "taps": why}


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other."""
    settings: Any = config
    accept_losses(settings, run.inputs, labelled=not config.unlabelled)
    accept_supervised(config.supervised, run.inputs)


def plan(config: Config, given: Given) -> list[Stage]:
    """One stage for all networks."""
    if config.unlabelled:
        pooled = with_pool(given.data, given.sources["unlabelled"], flag="--unlabelled")
        given = dataclasses.replace(given, data=pooled)
    return [Stage("mutual", lambda done: _task(config, given))]


def _task(config: Config, given: Given) -> Task:
    networks = {"model": given.model.build(), **_peers(config, given)}
    cohort = Cohort(
        networks,
        losses=config.losses,
        loss_weights=config.loss_weights,
        settings=config,
        constant=config.constant,
        taps=config.taps,
        image_size=given.data.image_size,
    )
    supervised = make_supervised(config.supervised)

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch, terms = batches["train"], {}
        said = cohort.run(batch)
        mutual = cohort.terms(said, batch, step)
        for name, seen in said.items():
            own_step: Any = step if name == "model" else NamedStep(step, name)
            known = supervised(seen.outputs, batch, own_step)
            own = {key: config.label_weight * value for key, value in known.items()} | mutual[name]
            terms |= own if name == "model" else {f"{name}_{key}": value for key, value in own.items()}
        return LossTerms(terms)

    peers = [one for one in networks if one != "model"]
    _say(
        f"{' and '.join(peers)} {'train' if len(peers) > 1 else 'trains'} beside the model and "
        f"{'are' if len(peers) > 1 else 'is'} not exported: the weights stay in the stage's file."
    )
    task = given.task(networks, given.data.stream(), objective)
    specs = {name: network.spec for name, network in networks.items() if name != "model"}
    return dataclasses.replace(task, describe={**task.describe, "peers": specs})


def _peers(config: Config, given: Given) -> dict[str, Classifier]:
    """Build the peers, each with the seed of a further member of an ensemble."""
    found = {}
    for number, asked in enumerate(config.peers or (given.model.name,), 1):
        kind = dataclasses.replace(given.member(number).model, name=asked, asked=asked)
        try:
            found[f"peer_{number}"] = kind.build()
        except InputError as error:
            raise InputError(f"method.peers: {error}") from error
    return found


METHOD = Method(
    name="mutual",
    summary="train several small networks together, each learning from the others as well as from the labels",
    situation="labelled images and no good teacher: several small networks can teach each other",
    not_for="when a much better model exists (distill), or one training is all you can afford",
    config=Config,
    plan=plan,
    accept=accept,
    flags={"unlabelled": "method.unlabelled"},
    sources=lambda config: {"unlabelled": SourceUse(config.unlabelled, labelled=False, flag="--unlabelled")},
    paper="Zhang et al., Deep Mutual Learning, 2018, arXiv:1706.00384",
)
