"""Which layers of a network move while it is tuned to a step: as ``method.layers`` says, or chosen among several.

Layers are those of :func:`modelheir.models.layers`, recipes those of :mod:`modelheir.config.over_time.layer_recipes`.
Surgical fine-tuning: Lee et al., 2023, arXiv:2210.11466, here as Seq-to-Final has it (Ji et al., 2024,
arXiv:2407.09642): layers are ranked by their gradients, and the selection images choose how many of them move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.over_time.layer_recipes import CHOSEN, layer_subsets, parse_recipe
from modelheir.models import gradients

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.models import Classifier

__all__ = ["recipes", "tuned"]

_MOST = 8  #: layers of a network whose every subset is tried: 255 trainings a setting


def recipes(build: Builder, steps: int) -> Sequence[str | tuple[str, ...]]:
    """Return what ``method.layers`` asks for, a step each: what trains, stage by stage, or how that is chosen.

    Args:
        build: Of the run.
        steps: That are tuned one after another.

    Raises:
        InputError: If the network has no such layer, or there are recipes for another number of steps.
    """
    text = build.tuning.layers.strip()
    if text in CHOSEN:
        return (text,) * steps
    if text == "all":
        return (("",),) * steps
    names = _names(build)
    found = parse_recipe(text, names, steps=steps)
    return [tuple(_trainable(stage, names) for stage in recipe) for recipe in found]


def tuned(
    build: Builder, name: str, numbers: Sequence[int], start: Node, recipe: str | tuple[str, ...], **training: Any
) -> Node:
    """Train on some steps as a recipe says; return the stages whose best is the model.

    Args:
        build: Of the run.
        name: Of the last stage of a recipe; stages before it, and candidates, have an ending.
        numbers: The steps.
        start: Whose best weights are gone on with; none: drawn ones.
        recipe: What trains, stage by stage (``""``: what the run says), or a word of
            :data:`~modelheir.config.over_time.layer_recipes.CHOSEN`.
        **training: As :meth:`~modelheir.methods.adapt.builder.Builder.train` has it.
    """
    if isinstance(recipe, str):
        node: Node = ()
        for ending, layers in _candidates(build, numbers, recipe):
            node += build.train(f"{name}_{ending}", numbers, start=start, layers=layers, **training)
        return node
    for part, layers in enumerate(recipe, 1):
        ending = f"_part{part}" if part < len(recipe) else ""
        start = build.train(f"{name}{ending}", numbers, start=start, layers=layers, **training)
    return start


def _candidates(
    build: Builder, numbers: Sequence[int], word: str
) -> list[tuple[str, str | Callable[[Done, Classifier], str]]]:
    """Return an ending and what trains, for each candidate."""
    names = _names(build)
    if word == "search":
        if len(names) > _MOST:
            raise InputError(
                f"the search over layers tries every subset of {len(names)} layers, {2 ** len(names) - 1:,} in all: "
                f"it is for at most {_MOST}. Take surgical_rgn, which tries {len(names)}."
            )
        return [("_".join(some), _trainable(some, names)) for some in layer_subsets(names)]
    score = "rgn" if word == "surgical_rgn" else "snr"
    return [(str(size), _leading(build, numbers, score, size)) for size in range(1, len(names) + 1)]


def _leading(
    build: Builder, numbers: Sequence[int], score: Literal["rgn", "snr"], size: int
) -> Callable[[Done, Classifier], str]:
    """Return what finds the layers that are ranked first on the training images."""

    def choose(done: Done, model: Classifier) -> str:
        data = build.on(numbers).data  # every process reads all images, so that all choose alike
        stream = data.stream("train", train=False, rank=0, world=1)
        layers = {f"stage:{number}": names for number, names in enumerate(models.stages(model))}
        scores = gradients.layer_scores(model.to(data.runtime.device), stream.epoch(0), layers, score=score)
        best = gradients.ranked_layers(scores)[:size]
        return ",".join(name for name in layers if name in best)

    return choose


def _names(build: Builder) -> tuple[str, ...]:
    return tuple(models.layers(build.given.model.build()))


def _trainable(stage: Sequence[str], names: Sequence[str]) -> str:
    """Return the layers of a stage as ``--trainable`` reads them; all of them are what the run says."""
    return "" if len(stage) == len(names) else ",".join(f"stage:{names.index(name)}" for name in stage)
