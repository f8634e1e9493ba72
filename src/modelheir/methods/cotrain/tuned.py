"""Stages before the heads: each view's encoder is tuned on the labelled images alone, and frozen again.

Full-parameter fine-tuning first, and an encoder that is frozen again while views teach each other, is the recipe of
Meta Co-Training (Rothenberger and Diochnos, 2023, arXiv:2311.18083), where one that moved meanwhile collapsed. Low-rank
adapters in its place follow Zhang et al., "Revisiting Semi-Supervised Learning in the Era of Foundation Models", 2025,
arXiv:2503.09707 (V-PET): adapters on the labels alone are hard to beat, and pseudo-labels are best averaged over
adapters and backbones. There each adapter is trained again on these pseudo-labels; here new heads are, on the vectors
that each tuned encoder gives once.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import models
from modelheir.address import parse_encoder
from modelheir.checks import InputError
from modelheir.config.trainable import parse_trainable
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.methods.given.views import Views, encoder_address, open_encoder, open_views
from modelheir.models import encoders
from modelheir.objective.supervised import SupervisedConfig, make_supervised
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.methods.cotrain.build import Done
    from modelheir.methods.cotrain.config import Config
    from modelheir.methods.given import Given
    from modelheir.models.encoders import Encoder
    from modelheir.types import Batch, Step

__all__ = ["accept_tune", "tuned_encoders", "tuned_views", "tuning_stages"]

_FIXED = ("pixels", "colour")  #: kinds of encoders without weights
_OF_HEAD = 10.0  #: the new head's rate, in that of the encoder
_RATES = {"all": 3e-4, "low_rank": 3e-3}  #: where ``tuning.lr`` is 0
_EVALUATIONS = 10  #: on the selection images, in a stage
_BODY = "encoder.body."  #: before the names of an encoder's weights in its stage
_SEEDS = 2_000  #: tells the seeds of heads and adapters of these stages from those of others

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


def accept_tune(tune: str, views: Sequence[str]) -> None:
    """Refuse a ``tune`` that is neither ``all`` nor ``low_rank:R``, and one where no view has weights.

    Raises:
        InputError: Names what is given.
    """
    if not tune:
        return
    kind, colon, _ = tune.partition(":")
    if (kind, colon) not in (("all", ""), ("low_rank", ":")) or "," in tune:
        raise InputError(f"--tune {tune}: must be all, or low_rank:R with the rank of adapters.")
    try:
        parse_trainable(tune)
    except InputError as error:
        raise InputError(f"--tune {tune}: must be all, or low_rank:R with the rank of adapters, >= 1.") from error
    if all(map(_fixed, views)):
        raise InputError(
            f"--tune {tune}: none of --views {' '.join(views)} has weights to train; name encoders that do, or leave "
            "it out."
        )


def tuning_stages(config: Config, given: Given, known: Callable[[Done], np.ndarray], *, suffix: str) -> list[Stage]:
    """Return the stages that tune the encoders of one seed, a view each.

    Args:
        config: The method's settings.
        given: Data and settings, with the seeds of this member.
        known: Finished stages to the sample ids of the training images whose labels are used.
        suffix: Of every stage's name.
    """
    for address in filter(_fixed, config.views):
        _say(f"--tune {config.tune}: {address} has no weights to train, and stays as it is")

    @functools.cache
    def look() -> None:
        """Refuse an encoder that cannot be had before another one is trained."""
        for address in config.views:
            open_encoder(address, given.data, size=config.encoder_size)

    def prepare(address: str, number: int, done: Done) -> Task:
        look()
        return _task(config, given, known(done), address, number)

    return [
        Stage(f"{name}{suffix}", functools.partial(prepare, address, number))
        for number, (address, name) in enumerate(_tuned(config.views).items(), 1)
    ]


def tuned_encoders(config: Config, given: Given, done: Done, *, suffix: str) -> dict[str, Encoder]:
    """Return the tuned encoders of one seed by the views' addresses, frozen again.

    Args:
        config: The method's settings.
        given: As in :func:`tuning_stages`.
        done: Finished stages, those of the tuning among them.
        suffix: As in :func:`tuning_stages`.
    """
    found = {}
    for address, name in _tuned(config.views).items():
        state = done[f"{name}{suffix}"].weights("model")
        body = {key.removeprefix(_BODY): value for key, value in state.items() if key.startswith(_BODY)}
        encoder = encoders.refilled(open_encoder(address, given.data, size=config.encoder_size), body)
        found[address] = encoder.to(given.data.runtime.device)
    return found


def tuned_views(config: Config, given: Given, done: Done, *, suffix: str) -> Views:
    """Return the views of all images as the tuned encoders of one seed see them; arguments as before."""
    found = tuned_encoders(config, given, done, suffix=suffix)
    tuned = {address: (encoder, config.tune) for address, encoder in found.items()}
    return open_views(config.views, given.data, size=config.encoder_size, tuned=tuned)


def _tuned(views: Sequence[str]) -> dict[str, str]:
    """Return the stage of each view that has weights, by its address."""
    return {one: f"tuned_view_{number}" for number, one in enumerate(views, 1) if not _fixed(one)}


def _fixed(address: str) -> bool:
    """Tell whether a view's encoder has no weights."""
    return parse_encoder(encoder_address(address)).kind in _FIXED


def _task(config: Config, given: Given, known: np.ndarray, address: str, place: int) -> Task:
    """Return the training of an encoder with a linear head on the labelled images."""
    images, choice = given.data.splits["train"], parse_trainable(config.tune)
    own = images.subset(np.isin(images.ids, known))
    splits = {"train": own, "val": given.data.splits["val"]}
    data = dataclasses.replace(
        given.data, splits=splits, batch_size=config.tuning.batch_size, seed=given.data.seed + place, stores={}
    )
    encoder = open_encoder(address, data, size=config.encoder_size)
    seed = np.random.SeedSequence([given.model.seed, _SEEDS, place]).generate_state(1).item()
    head = models.build_vector_head(
        VectorHeadConfig(kind="linear", normalise="none"), width=encoder.width, classes=data.classes, seed=seed
    )
    model = models.OnEncoder(encoders.ThawedEncoder(encoder, rank=choice.size, seed=seed), head)
    loss = make_supervised(SupervisedConfig())

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        return LossTerms(loss(model(batch.inputs), batch, step))

    return Task(
        modules={"model": model},
        streams={"train": data.stream()},
        objective=objective,
        evaluate={"val": data.stream("val", train=False)},
        parameter_groups=_groups,
        fit=_fit(config, given),
        describe={"model": {"name": encoder.address}, "tuned": config.tune, "from": encoder.fingerprint},
    )


def _groups(module: nn.Module) -> list[tuple[list[Tensor], float, float | None]]:
    """Return the encoder's weights at the rate, and the head's at ten times it."""
    parts: Any = module
    groups = ((parts.encoder, 1.0), (parts.head, _OF_HEAD))
    return [([one for one in part.parameters() if one.requires_grad], rate, None) for part, rate in groups]


def _fit(config: Config, given: Given) -> Any:
    """Return how an encoder is trained; what is best on the selection images is kept."""
    tuning = config.tuning
    return dataclasses.replace(
        given.fit,
        epochs=tuning.epochs,
        batch_size=tuning.batch_size,
        lr=tuning.lr or _RATES["low_rank" if parse_trainable(config.tune).size else "all"],
        keep="best",
        evaluate_every=max(1, tuning.epochs // _EVALUATIONS),
    )
