r"""Weight interpolation: one network between the old model's weights and the new model's.

.. math:: \theta = \frac{\alpha F \theta_{old} + (1 - \alpha)\, \theta_{new}}{\alpha F + 1 - \alpha}
                 = \theta_{new} + w\,(\theta_{old} - \theta_{new}), \qquad w = \frac{\alpha F}{\alpha F + 1 - \alpha}

element by element. ``F = 1`` is plain interpolation; otherwise ``F`` is the old model's diagonal Fisher information
(:mod:`modelheir.models.blends.fisher`). With several new models their mean (a soup) is taken first.

Schumann et al., "Backward Compatibility During Data Updates by Weight Interpolation", 2023, arXiv:2301.10546. With
``F = 1``, the model before tuning as the old and the tuned one as the new, it is WiSE-FT: Wortsman et al., "Robust
Fine-tuning of Zero-shot Models", 2022, arXiv:2109.01903, section 3, whose coefficient is ``1 - alpha``. Ours differs:
buffers (running statistics) are interpolated plainly and may be estimated anew by :func:`recalibrate`; classifier rows
are matched by class name, and rows of new classes come from the new model.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.checks import InputError
from modelheir.classes import match_classes
from modelheir.models.blends.averages import soup
from modelheir.types import Batch

__all__ = ["align_state", "copy_weights", "interpolate", "interpolate_models", "recalibrate"]


def interpolate(
    old: Mapping[str, Tensor], new: Mapping[str, Tensor], alpha: float, *, fisher: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Interpolate two state dicts of one architecture.

    Args:
        old: Weights and buffers of the old model.
        new: Of the new model, with the same names and shapes.
        alpha: Weight of the old model, 0 to 1; 0 returns the new values bit for bit, 1 the old ones.
        fisher: Importance of old values by name, ``>= 0``, each of its tensor's shape; a name left out counts 1.

    Returns:
        The state dict, new tensors in the types of ``new``. Whole numbers (step counters) are the new model's, or
        the old one's where ``alpha`` is 1.

    Raises:
        ValueError: If names or shapes differ, or ``alpha`` is out of range.

    Example:
        >>> state = interpolate({"w": torch.tensor([2.0, 2.0])}, {"w": torch.tensor([0.0, 0.0])}, 0.5,
        ...                     fisher={"w": torch.tensor([1.0, 3.0])})
        >>> state["w"]
        tensor([1.0000, 1.5000])
    """
    checks.in_range(0, 1, alpha=alpha)
    if set(old) != set(new):
        differing = sorted(set(old) ^ set(new))
        raise ValueError(f"the state dicts name different tensors: {len(differing)} differ, such as {differing[0]!r}")
    result: dict[str, Tensor] = {}
    for name, end in new.items():
        start = old[name].to(end.device)
        if start.shape != end.shape:
            raise ValueError(
                f"shapes of {name!r} must be equal: old is {tuple(start.shape)}, new is {tuple(end.shape)}"
            )
        if alpha in (0, 1) or not end.is_floating_point():
            result[name] = (start.to(end.dtype) if alpha == 1 else end).detach().clone()
            continue
        weight: Tensor | float = alpha
        if fisher is not None and name in fisher:
            checks.same_shape(fisher=fisher[name], weights=end)
            scaled = alpha * fisher[name].to(end.device).float()
            weight = scaled / (scaled + 1 - alpha)
        result[name] = torch.lerp(end.detach().float(), start.detach().float(), weight).to(end.dtype)
    return result


def align_state(
    values: Mapping[str, Tensor], old: Any, new: Any, *, missing: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Bring tensors of the old model to the new model's classes.

    Args:
        values: Tensors named as in the old model's state dict: weights, or importances.
        old: The old classifier.
        new: The new classifier, of the same architecture; its classes may be more, fewer, or in another order.
        missing: Values of the rows of classes that the old model does not know; absent, the new model's own.

    Returns:
        The tensors; those of the classifier layer have one row for each new class.

    Raises:
        InputError: If the two are not of one architecture.
    """
    fill: Mapping[str, Tensor] = new.state_dict() if missing is None else missing
    matched = match_classes(new.classes, old.classes, may_differ=True)
    counts = len(matched.theirs), len(matched.ours)  # of the old and the new model
    new_rows, old_rows = ([pair[side] for pair in matched.pairs] for side in (0, 1))
    heads = set(_head_tensors(new))
    result: dict[str, Tensor] = {}
    for name, value in values.items():
        if name not in fill:
            raise InputError(f"only models of one architecture can be interpolated: the new model has no {name!r}.")
        target = fill[name]
        per_class = name in heads or (value.shape != target.shape and value.shape[1:] == target.shape[1:])
        blocks = value.shape[0] // counts[0] if value.ndim else 0
        if per_class and blocks and (value.shape[0], target.shape[0]) == (blocks * counts[0], blocks * counts[1]):
            rows = target.detach().clone().unflatten(0, (blocks, counts[1]))
            rows[:, new_rows] = value.detach().to(target).unflatten(0, (blocks, counts[0]))[:, old_rows]
            result[name] = rows.flatten(0, 1)
        elif value.shape == target.shape:
            result[name] = value.detach().to(target.device)
        else:
            raise InputError(
                "only models of one architecture can be interpolated: "
                f"{name!r} is {tuple(value.shape)} in the old model and {tuple(target.shape)} in the new one."
            )
    return result


def copy_weights(old: Any, new: Any) -> Any:
    """Give the new classifier the old one's weights, to train on from there; edits and returns ``new``.

    Classifier rows are matched by class name; rows of classes that the old model does not know stay as they are.

    Raises:
        InputError: If the two are not of one architecture.
    """
    new.load_state_dict({**new.state_dict(), **align_state(old.state_dict(), old, new)})
    return new


def interpolate_models(old: Any, new: Any, alpha: float, *, fisher: Mapping[str, Tensor] | None = None) -> Any:
    """Return a copy of the new classifier with interpolated weights, and the new model's classes.

    Args:
        old: The old classifier.
        new: The new classifier or several, which are averaged first; one architecture throughout.
        alpha: Weight of the old model, 0 to 1.
        fisher: Importance of the old model's parameters, by its own names and shapes.

    Raises:
        InputError: If the architectures differ, or the old and the new model share no class name.
    """
    several = list(new) if isinstance(new, Sequence) else [new]
    model = copy.deepcopy(several[0])
    if any(tuple(one.classes) != tuple(model.classes) for one in several):
        raise InputError("the new models of a soup must have the same classes in the same order.")
    if any({k: v.shape for k, v in one.state_dict().items()} != _shapes(model) for one in several):
        raise InputError("the new models of a soup must be of one architecture.")
    model.load_state_dict(soup([one.state_dict() for one in several]))
    match_classes(old.classes, model.classes, names=("the old model", "the new model"))  # refuses what shares no class
    state = model.state_dict()
    lacking = set(state) - set(old.state_dict())
    if lacking:
        raise InputError(
            "only models of one architecture can be interpolated: "
            f"the old model lacks {len(lacking)} tensors, such as {min(lacking)!r}."
        )
    start = align_state(old.state_dict(), old, model)
    importance = None
    if fisher is not None:
        ones = {name: torch.ones_like(state[name], dtype=torch.float32) for name in fisher if name in state}
        importance = align_state(fisher, old, model, missing=ones)
    model.load_state_dict(interpolate(start, state, alpha, fisher=importance))
    return model


@torch.no_grad()
def recalibrate(model: nn.Module, batches: Iterable[Batch]) -> int:
    """Estimate the running statistics of batch normalisation anew; edits ``model`` and keeps its mode.

    Each statistic becomes the mean over the batches, weighed by their images; a batch of one image, which may have no
    variance, is left out after larger ones. Interpolated weights do not produce the interpolated statistics, so a
    network with batch normalisation needs this.

    Args:
        model: The classifier.
        batches: Batches of training images, such as ``stream.epoch(0)``, varied as in training: on the very images that
            a network has learnt by heart, statistics are further from those of new images.

    Returns:
        How many layers were estimated; 0 leaves the model as it was.
    """
    layers = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    layers = [part for part in layers if part.track_running_stats]
    if not layers:
        return 0
    modes = {part: part.training for part in model.modules()}
    momenta = {part: part.momentum for part in layers}
    model.eval()
    try:
        for part in layers:
            part.reset_running_stats()
            part.train()
        seen = largest = 0
        for batch in batches:
            if len(batch) == 1 and largest > 1:
                continue
            seen, largest = seen + len(batch), max(largest, len(batch))
            for part in layers:
                part.momentum = len(batch) / seen  # a running mean in which every image counts the same
            model(batch.inputs)
    finally:
        for part, momentum in momenta.items():
            part.momentum = momentum
        for part, mode in modes.items():
            part.training = mode
    return len(layers)


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}


def _head_tensors(model: Any) -> Iterator[str]:
    """Yield the names of the classifier layer's tensors."""
    for name, part in model.named_modules():
        if part is model.head:
            yield from (f"{name}.{inner}" if name else inner for inner in part.state_dict())
