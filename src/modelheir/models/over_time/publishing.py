"""The model of one step as an ordinary classifier, which a run folder holds and ``load`` builds again.

Copies of whole layers are put in their places, and weights that differ by low rank are merged. Side modules stay beside
their blocks, described by ``spec["side"]``; heads that are added up become one, which is exact: its rows are their sum
where they read the same features, and stand one behind the other where each normalises its maps itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.models.adapters.side import add_side_modules
from modelheir.models.building import from_spec
from modelheir.models.classifier import Classifier
from modelheir.models.files.fit_weights import fit_weights
from modelheir.models.over_time.adapted import Adapted
from modelheir.models.over_time.copies import OverTime
from modelheir.models.over_time.layer_modules import HEAD

__all__ = ["before_newest", "publish"]


@torch.no_grad()
def publish(model: OverTime, step: int = -1) -> Classifier:
    """Return a classifier that gives the outputs of one step, on the CPU in training mode.

    Args:
        model: Stays as it is.
        step: From 0; -1 is the last.
    """
    row = dict(zip(model.names, model.routes[step], strict=True))
    return _built(model, row, row)


@torch.no_grad()
def before_newest(model: OverTime) -> tuple[Classifier, tuple[str, ...]]:
    """Return the step before the newest in the newest step's architecture, where a line between the two is wanted.

    Args:
        model: Of two steps or more; stays as it is.

    Returns:
        The classifier, and the paths of side modules that the newest step alone has. They hold the newest weights, and
        the classifier gives the outputs of the step before where what they say is left out.
    """
    newest = dict(zip(model.names, model.routes[-1], strict=True))
    before = dict(zip(model.names, model.routes[-2], strict=True))
    found = _built(model, newest, before)
    added = [name for name in _further(model, newest) if newest[name] != before[name] and name != HEAD]
    return found, tuple(f"body.{name}.parts.{newest[name]}" for name in added)


def _further(model: OverTime, row: Mapping[str, int]) -> dict[str, int]:
    """Return the layers that have side modules of their own in a step, and how many."""
    found = {name: number for name, number in row.items() if number and model.kinds[name] == "side"}
    if isinstance(model.first(HEAD).neck, nn.Identity):
        found.pop(HEAD, None)
    return found


def _built(model: OverTime, row: Mapping[str, int], held: Mapping[str, int]) -> Classifier:
    """Build the architecture of ``row``; copies of whole layers, low-rank changes and heads are those of ``held``."""
    further = _further(model, row)
    found: Any = from_spec(model.spec)
    if further:
        add_side_modules(found, {"sizes": model.config.side_layer_sizes, "further": further})
    state: dict[str, Tensor] = {}
    for name, number in row.items():
        if name == HEAD:
            own = _head(model, number, held[name])
            state |= {key if key.startswith("head.") else f"body.{key}": value for key, value in own.items()}
        else:
            own = _side(model, name, number) if name in further else _plain(model, name, held[name])
            state |= {f"body.{name}.{key}": value for key, value in own.items()}
    fit_weights(found, state, "the model of this step")
    found.body.dropout, found.named = model.dropout, model.named
    return found


def _plain(model: OverTime, name: str, number: int) -> dict[str, Tensor]:
    part = model.held(name)[number]
    if not isinstance(part, Adapted):
        return part.state_dict()
    merged = {f"{path}.weight": value for path, value in model.weights(name, number).items()}
    return {**part.shell.state_dict(), **merged}


def _side(model: OverTime, name: str, number: int) -> dict[str, Tensor]:
    parts = enumerate(list(model.held(name))[: number + 1])
    return {f"parts.{index}.{key}": value for index, part in parts for key, value in part.state_dict().items()}


def _head(model: OverTime, number: int, held: int) -> dict[str, Tensor]:
    """Return the state of the neck and of the classifier layer, those of added heads as one; after ``held``, of 0."""
    if model.kinds[HEAD] != "side" or number == 0:
        return _plain(model, HEAD, held)
    every = [dict(part.state_dict()) for part in list(model.held(HEAD))[: number + 1]]
    for one in every[held + 1 :]:
        one |= {key: torch.zeros_like(value) for key, value in one.items() if key.startswith("head.")}
    weights = [one["head.weight"] for one in every]
    necks = {
        f"neck.parts.{index}.{key.removeprefix('neck.')}": value
        for index, one in enumerate(every)
        for key, value in one.items()
        if key.startswith("neck.")
    }
    weight = torch.cat(weights, dim=1) if necks else torch.stack(weights).sum(dim=0)
    return {**necks, "head.weight": weight, "head.bias": torch.stack([one["head.bias"] for one in every]).sum(dim=0)}
