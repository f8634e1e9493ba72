"""Where a strategy's models stand, layer by layer: of weights between three models, or of likeness to the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from modelheir import models
from modelheir.bench.pictures.lineage import model_of, models_of
from modelheir.bench.pictures.members import Member, NothingToDraw
from modelheir.bench.pictures.worlds import World
from modelheir.checks import InputError
from modelheir.metrics.geometry.svcca import Directions, directions, mean_correlations
from modelheir.metrics.geometry.weight_plane import weight_change, weight_coordinates
from modelheir.models.blends.weight_rows import layer_vectors
from modelheir.models.layer_activations import layer_activations
from modelheir.report.figures.paths import Path

if TYPE_CHECKING:
    from modelheir.models import Classifier

__all__ = ["Panels", "alike", "moves", "projected", "weight_rows"]

Panels = dict[str, list[Path]]  #: layer -> where each strategy's models stand


def projected(member: Member, oracle: Member, strategies: Sequence[str]) -> tuple[Panels, list[str]]:
    """Project weights to the plane of the historical shift and of the want of data.

    Args:
        member: The seed whose models are placed.
        oracle: That of the run with plenty of the newest step.
        strategies: Which.

    Returns:
        The panels, and the strategies that have no place in them: with side modules, or of two networks (``dawin``).

    Raises:
        InputError: If a model is missing, or the oracle is of another shape.
    """
    star = weight_rows(model_of(oracle.end("erm_final", "that is what an oracle is read from")))
    few = weight_rows(model_of(member.end("erm_final", "the plane of weights is made of it")))
    past = weight_rows(model_of(member.stage(_past(member))))
    found: Panels = {}
    lacking = []
    for strategy in strategies:
        every = _plain(member, strategy)
        if every is None:
            lacking.append(strategy)
            continue
        try:
            rows = [weight_rows(one) for one in every]
            places = [weight_coordinates(one, oracle=star, history=past, baseline=few) for one in rows]
        except ValueError as error:
            raise _other(oracle, member, str(error)) from error
        for layer in places[0]:
            found.setdefault(layer, []).append(Path(strategy, [one[layer] for one in places]))
    return found, lacking


def alike(
    member: Member,
    oracle: Member,
    world: World,
    strategies: Sequence[str],
    *,
    mode: Literal["fixed", "compat"],
    advance: Callable[[int], None],
) -> tuple[Panels, list[str]]:
    """Place layers by how alike they represent the newest reporting images as the oracle's do.

    Args:
        member: The seed whose models are placed.
        oracle: That of the run with plenty of the newest step.
        world: The data of ``member``.
        strategies: Which.
        mode: ``compat`` runs single models with the statistics of the images themselves, as the older code did.
        advance: Called after each model, with the number of images.

    Returns:
        The panels, and the strategies that are left out as they are of two networks (``dawin``).
    """
    star = _seen(model_of(oracle.end("erm_final", "that is what an oracle is read from")), world, mode)
    found: Panels = {}
    lacking = []
    for strategy in strategies:
        places = []
        every = [(one.load(), one.copies) for one in models_of(member, strategy)]
        if any("dawin" in model.spec for model, _ in every):
            lacking.append(strategy)
            continue
        for model, copies in every:
            own = _seen(model, world, "fixed" if copies else mode)
            if list(own) != list(star):
                raise _other(oracle, member, f"layers {', '.join(star)} and {', '.join(own)} of {strategy}")
            places.append(mean_correlations(own, star))
            advance(len(world.newest.splits["test"]))
        for layer in places[0]:
            found.setdefault(layer, []).append(Path(strategy, [(one[layer][0], one[layer][1]) for one in places]))
    return found, lacking


def moves(member: Member, strategies: Sequence[str]) -> tuple[Panels, list[str]]:
    """Measure how far each layer moves from one of a strategy's models to the next.

    Args:
        member: The seed.
        strategies: Which; those that come by one model alone are passed over.

    Returns:
        Layer -> a line a strategy: the number of the later model, from 2, and the length; and the strategies that are
        left out: with side modules, or of two networks (``dawin``).
    """
    found: Panels = {}
    lacking = []
    for strategy in strategies:
        every = _plain(member, strategy)
        if every is None:
            lacking.append(strategy)
        elif len(every) > 1:
            for layer, lengths in weight_change([weight_rows(one) for one in every]).items():
                points = [(float(number), length) for number, length in enumerate(lengths, 2)]
                found.setdefault(layer, []).append(Path(strategy, points))
    return found, lacking


def weight_rows(model: Classifier) -> dict[str, np.ndarray]:
    """Return the weights of each layer in one row, as they are projected and measured."""
    return layer_vectors(model, models.layers(model))


def _plain(member: Member, strategy: str) -> list[Classifier] | None:
    """Return a strategy's models; ``None`` where one has side modules or is of two networks (``dawin``)."""
    every = [one.load() for one in models_of(member, strategy)]
    return None if any({"side", "dawin"} & one.spec.keys() for one in every) else every


def _past(member: Member) -> str:
    name = f"history{member.suffix}"
    if not any(path.name.partition("_")[2] == name for path in (member.folder.path / "stages").glob("[0-9]*_*")):
        raise NothingToDraw(
            f"{member.folder.path} has no network of the past, and the plane of weights is made of it: train with "
            "erm_fine_tune among --method.strategies."
        )
    return name


def _seen(model: Classifier, world: World, rule: Literal["fixed", "compat"]) -> dict[str, Directions]:
    """Return the directions of each layer on the newest reporting images."""
    device = world.newest.runtime.device
    stream = world.newest.stream("test", train=False)
    found = layer_activations(model.to(device), _places(model), stream.epoch(0), rule=rule)
    return {layer: directions(values) for layer, values in found.items()}


def _places(model: Classifier) -> dict[str, str]:
    """Return the module of each layer: by its own name, or where a resolution of the network ends."""
    names = list(models.layers(model))[:-1]
    body = dict(model.get_submodule("body").named_children())
    if set(names) <= set(body):
        return {**{name: f"body.{name}" for name in names}, "fc": "head"}
    taps = models.stage_taps(model, model.image_size)
    return {**{path.removeprefix("body."): path for path, _ in taps}, "fc": "head"}


def _other(oracle: Member, member: Member, why: str) -> InputError:
    return InputError(f"{oracle.folder.path} is no oracle for {member.folder.path}, a network of another shape: {why}.")
