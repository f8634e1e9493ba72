"""What of a network trains: whole, some of its parts, or a few numbers that the rest moves through."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.config.trainable import parse_trainable
from modelheir.models.adapters import add_low_rank, add_plane
from modelheir.models.parameter_names import find_parameters
from modelheir.models.teachers.freeze import freeze

__all__ = ["draw_head", "set_trainable"]


def set_trainable(model: Any, choice: str, *, seed: int = 0, frozen_statistics: bool = True) -> None:
    """Let a part of ``model`` train and freeze the rest; edits in place.

    Batch normalisation without a weight that moves stays in evaluation mode, so that its statistics do not move either.
    What does not train before never does; of a model with a transplanted old head, all this is about the new network.

    Args:
        model: A :class:`~modelheir.models.Classifier`, or one with a transplanted head.
        choice: As :func:`modelheir.config.trainable.parse_trainable` reads it.
        seed: Of adapters and directions.
        frozen_statistics: Whether that is so; without, statistics move in frozen parts too, as they do in programs that
            only stop gradients.

    Raises:
        InputError: If a name or pattern is that of no parameter, there is no such stage, nothing would train, or
            nothing is left for adapters.
    """
    wanted = parse_trainable(choice)
    if "all" in wanted.parts:
        return
    inner = model.get_submodule("model") if "model" in dict(model.named_children()) else model
    every = dict(inner.named_parameters())
    said = f"trainable = {choice!r}"
    named = {name for part in wanted.parts for name in find_parameters(inner, part, said=said)}
    free = [name for name, value in every.items() if value.requires_grad]
    moved, rest = [name for name in free if name in named], [name for name in free if name not in named]
    for name in rest:
        every[name].requires_grad_(False)
    if wanted.through == "plane" and rest:
        add_plane(inner, coordinates=wanted.size, seed=seed, names=rest)
        return
    for part in inner.modules() if frozen_statistics else ():
        own = part.parameters(recurse=False)
        if isinstance(part, nn.modules.batchnorm._NormBase) and not any(one.requires_grad for one in own):
            freeze(part)
    adapters = 0
    if wanted.through == "low_rank":
        adapters = add_low_rank(inner, rank=wanted.size, seed=seed, leave=set(every) - set(rest))
    if wanted.through and not adapters:
        raise InputError(f"trainable = {choice!r}: {wanted.through} finds no weight that nothing else trains.")
    if not moved and not adapters:
        raise InputError(f"trainable = {choice!r} leaves nothing to train: every such parameter is frozen already.")


def draw_head(model: Any, *, seed: int) -> None:
    """Draw the classifier layer anew; the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model.head.reset_parameters()
