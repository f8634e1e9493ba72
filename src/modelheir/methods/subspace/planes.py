r"""Ways that train in a plane of the weights: as many numbers move as the plane has directions.

.. math:: w = w_{begin} + P^\top z, \qquad z \in \mathbb{R}^n,\ z = 0 \text{ at first}
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import subspace
from modelheir.methods.subspace.build import COMPONENTS, HELD_OUT
from modelheir.methods.subspace.config import ProjectedConfig, WeightsConfig
from modelheir.models import adapters
from modelheir.objective import subspace as steps
from modelheir.plans import Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from torch import nn

    from modelheir.config.fit import FitConfig
    from modelheir.methods.subspace.build import Build, Done
    from modelheir.models import Classifier
    from modelheir.subspace import Basis, Trajectory
    from modelheir.types import Batch, Step

__all__ = ["in_plane", "lbfgs", "pbfgs", "principal", "psgd", "random", "twa"]


def principal(build: Build, done: Done) -> Basis:
    """Return the principal directions of the snapshots used."""
    asked = build.config.components

    def make(rows: Trajectory, folder: Path) -> Basis:
        if asked:
            return subspace.pca(rows, asked if asked < 1 else int(asked), folder=folder)
        return subspace.pca(rows, min(COMPONENTS, len(rows) - 1), truncate=True, folder=folder)

    return build.basis("principal", done, make)


def psgd(build: Build, done: Done) -> Task:
    """Project gradients on the trajectory's plane (Li et al., 2021, arXiv:2103.11154, algorithm 1)."""
    return _descent(build, build.begin(done), principal(build, done), build.config.psgd)


def pbfgs(build: Build, done: Done) -> Task:
    """Go as far as a quasi-Newton direction in the plane lowers the batch's loss (the same paper, algorithm 2)."""
    model, coordinates = _moving(build, build.begin(done), principal(build, done))
    update = steps.QuasiNewton(model, coordinates, build.loss(model), build.config.pbfgs, where="method.pbfgs")

    def measure() -> dict[str, float]:
        return {
            **build.measured(model),
            **_passes(build, update),
            "accepted": 1 - update.refused / max(1, update.steps),
        }

    return in_plane(
        build,
        model,
        _course(build),
        where="method.pbfgs.first_step",
        update=update,
        state={"pbfgs": update},
        measure=measure,
    )


def lbfgs(build: Build, done: Done) -> Task:
    """Do the same with torch's limited-memory BFGS, an iteration a batch."""
    model, coordinates = _moving(build, build.begin(done), principal(build, done))
    update = steps.PlaneLBFGS(model, coordinates, build.loss(model), build.config.lbfgs, where="method.lbfgs")

    def measure() -> dict[str, float]:
        return {**build.measured(model), **_passes(build, update)}

    return in_plane(
        build, model, _course(build), where="method.lbfgs", update=update, state={"lbfgs": update}, measure=measure
    )


def _course(build: Build) -> FitConfig:
    """Return the settings of ways that find their steps: the rate is the longest one, of a whole direction."""
    return build.fit(optimizer="sgd", lr=1.0, momentum=0.0, weight_decay=0.0, schedule="constant", accumulate=1)


def _passes(build: Build, update: steps.QuasiNewton | steps.PlaneLBFGS) -> dict[str, float]:
    """Return how often a way passed over the training images, counting a pass without gradients as a third."""
    return {"passes": update.cost / max(1, update.steps) * build.config.epochs}


def random(build: Build, done: Done) -> Task:
    """Project gradients on a random plane of as many directions: what any plane would do."""
    wanted, seed = principal(build, done), build.given.model.seed

    def make(rows: Trajectory, folder: Path) -> Basis:
        return subspace.random_basis(rows.layout, len(wanted), seed=seed, folder=folder)

    return _descent(build, build.begin(done), build.basis("random", done, make, drawn=True), build.config.psgd)


def twa(build: Build, done: Done, *, group: int = 0) -> Task:
    """Train a weight for each snapshot, from their mean on (Li et al., 2022, arXiv:2205.13104).

    Args:
        build: Of this seed.
        done: Results so far.
        group: Number of the group of snapshots, from 1; each goes on from where the one before it ended. 0: the last.
    """
    config, count = build.config.twa, len(build.snapshots(done))
    number = group or config.groups
    bounds = [count * place // config.groups for place in (number - 1, number)]
    blocks = config.coefficients == "block"

    def make(rows: Trajectory, folder: Path) -> Basis:
        return (subspace.deviations if blocks else subspace.gram_schmidt)(rows, folder=folder)

    basis = build.basis(f"{config.coefficients}_{number}", done, make, part=slice(*bounds))
    before = done.get(f"twa_{number - 1}{build.suffix}")
    model = build.loaded(before.weights("model")) if before else build.averaged(build.mean(done))
    return _descent(build, model, basis, config)


def _descent(build: Build, model: Classifier, basis: Basis, config: ProjectedConfig | WeightsConfig) -> Task:
    _, coordinates = _moving(build, model, basis)
    loss = build.loss(model)
    decay = steps.PlaneDecay(model, coordinates, weight=config.weight_decay) if config.weight_decay else None

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        found = loss(batches, step)
        return LossTerms({**found.terms, "decay": decay()} if decay else found.terms)

    own = config if isinstance(config, WeightsConfig) else WeightsConfig()
    name = "twa" if own is config else "psgd"
    fit = build.fit(
        optimizer=own.optimizer,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=0.0,
        schedule="linear",
        warmup_epochs=0.0,
    )
    split, measure = HELD_OUT if own.held_out else "train", functools.partial(build.measured, model)
    return in_plane(build, model, fit, split=split, where=f"method.{name}.lr", objective=objective, measure=measure)


def _moving(build: Build, model: Classifier, basis: Basis) -> tuple[Classifier, nn.Parameter]:
    """Let the network move in a plane and in no other way; edits it."""
    import torch

    bits, blocks = build.config.bits, dict(zip(basis.names, basis.blocks, strict=True)) if basis.blocks else None
    rows = subspace.encode(basis, bits=bits).rows() if bits <= 8 else basis.rows()
    coordinates = adapters.add_basis(model, rows, blocks=blocks, dtype=None if bits == 32 else torch.bfloat16)
    model.requires_grad_(False)  # what no snapshot moved stays
    coordinates.requires_grad_(True)
    return model, coordinates


def in_plane(build: Build, model: Classifier, fit: FitConfig, *, split: str = "train", where: str, **how: Any) -> Task:
    """Return a task over a network that moves in a plane; ``how`` says by what objective or update.

    Where that goes astray, the way keeps the point where it began, and ``where`` says what rate to lower.
    """
    data = build.given.data
    return Task(
        modules={"model": model},
        streams={"train": data.stream(split, train=True)},
        evaluate=data.evaluation(),
        describe={"model": model.spec},
        fit=fit,
        fallback=f"Lower {where}.",
        **how,
    )
