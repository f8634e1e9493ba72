"""Build the losses that were chosen: their functions, and the modules that some of them train."""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelheir import losses
from modelheir.checks import InputError
from modelheir.objective.distances.choice import DistanceConfig
from modelheir.objective.distances.table import LOSSES

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.types import Outputs, Step

__all__ = ["make_distance", "make_loss"]

Distance = Callable[["Outputs", "Outputs", "Tensor", "Step"], "Tensor"]
Loss = Callable[[Any, Any, "Tensor", "Step"], "Tensor"]


def make_distance(
    config: DistanceConfig, *, classes: int, new_features: int, old_features: int, seed: int
) -> tuple[Distance, dict[str, nn.Module]]:
    """Build the distance and the modules it trains.

    Args:
        config: Which, and its settings.
        classes: Width of the logits that are compared.
        new_features: Width ``D`` of the new model's features.
        old_features: Width of the old model's features; 0 where only its logits are stored.
        seed: Of a random projection.

    Returns:
        A function ``(new, old, labels, step) -> (N,)``, and trainable modules by name for the optimiser.

    Raises:
        InputError: If the distance compares features and the old model has only logits, or these widths do not fit it.
    """
    modules: dict[str, nn.Module] = {}
    widths = {"logits": (classes, classes), "features": (new_features, old_features)}
    parts = [_of_outputs(name, config, widths, seed, modules) for name in config.chosen]
    if len(parts) == 1:
        return parts[0], modules
    share, (first, second) = config.mix_share, parts

    def mixed(new: Outputs, old: Outputs, labels: Tensor, step: Step) -> Tensor:
        return share * first(new, old, labels, step) + (1 - share) * second(new, old, labels, step)

    return mixed, modules


def _of_outputs(
    name: str, config: DistanceConfig, widths: dict[str, tuple[int, int]], seed: int, modules: dict[str, nn.Module]
) -> Distance:
    """Build one distance that takes what it compares from two models' outputs."""
    reads, setting = LOSSES[name].reads, f"method.distance.{'loss' if name == config.loss else 'mix_with'}"
    if reads == "features" and widths[reads][1] == 0:
        raise InputError(f"{setting} = {name!r} compares features, and the stored outputs of --old hold only logits.")
    loss, module = make_loss(name, config, *widths[reads], seed=seed, setting=setting)
    if module is not None:
        modules[name] = module
    read = operator.attrgetter(reads)

    def distance(new: Outputs, old: Outputs, labels: Tensor, step: Step) -> Tensor:
        return loss(read(new), read(old), labels, step)

    return distance


def make_loss(
    name: str, config: Any, new: Any, old: Any, *, seed: int, setting: str, both: bool = False
) -> tuple[Loss, Any]:
    """Build one loss of the table, and compute it once on blank images, so that what does not fit it is said now.

    Args:
        name: Its row.
        config: Has the group of its settings, if there are any, under its name.
        new: What it compares of the model in training, without the batch: the width of logits or features, the shape
            ``(C, H, W)`` of a map, or a list of such shapes.
        old: The same of the other model.
        seed: Of the module's weights.
        setting: The key that names the loss, for messages.
        both: Let gradients flow into the other model, too, where the row can.

    Returns:
        A function of what the row reads, of both models, with labels ``(N,)`` and the step: ``(N,)``; and the module
        that it trains, or ``None``.

    Raises:
        InputError: If the two models' shapes, or a setting, do not fit the loss.
    """
    try:
        loss, module = _made(name, config, new, old, seed, both)
        _compute(loss, module, new, old)
    except ValueError as error:
        raise InputError(f"{setting} = {name!r}: {str(error).rstrip('.')}.") from error
    return loss, module


def _made(name: str, config: Any, new: Any, old: Any, seed: int, both: bool) -> tuple[Loss, Any]:
    row = LOSSES[name]
    given = dict(vars(getattr(config, name))) if row.settings else {}
    if both:
        if not row.both:
            raise ValueError(f"{name} keeps the other model constant: it has no gradient for both")
        given["both"] = True
    function: Any
    module: Any = None
    if row.module:
        module = getattr(losses, row.module)(new, old, seed=seed, **given)
        function, given = module.per_image, {}
    else:
        function = functools.partial(getattr(losses, name), **given)

    def loss(new: Any, old: Any, labels: Tensor, step: Step) -> Tensor:
        further = (labels,) if row.labels else ()
        keywords: dict[str, Any] = {"gather": step.gather} if row.gathers else {}
        if row.draws:
            keywords["generator"] = step.device_generator
        return function(new, old, *further, **keywords)

    return loss, module


def _compute(loss: Loss, module: nn.Module | None, new: Any, old: Any) -> None:
    """Compute a loss on two blank images; its module stays as it is."""
    import torch

    labels, step = torch.zeros(2, dtype=torch.int64), types.SimpleNamespace(gather=None)
    step.device_generator = torch.Generator()
    if module is not None:
        module.eval()
    with torch.no_grad():
        loss(_blank(new), _blank(old), labels, step)  # pyright: ignore[reportArgumentType]
    if module is not None:
        module.train()


def _blank(shape: Any) -> Any:
    """Return ones for two images, of a width, a shape or a list of shapes."""
    import torch

    if isinstance(shape, list):
        return [_blank(one) for one in shape]
    return torch.ones(2, *(shape if isinstance(shape, tuple) else (shape,)))
