"""What a stage in training must find again after it was killed: to a plain dict and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.types import Batch, Stream

if TYPE_CHECKING:
    from modelheir.engine.fit import Fit

__all__ = ["named_state", "pack", "repeat", "split", "unpack"]


def named_state(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return the live weights and buffers of all modules, keys ``<module>/<parameter>``."""
    return {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def repeat(stream: Stream, number: int) -> Iterator[Batch]:
    """Yield the batches of a stream for ever, from its batch ``number`` on, counted over epochs."""
    while True:
        epoch, position = divmod(number, len(stream))
        for batch in stream.epoch(epoch, start=position):
            yield batch
            number += 1


def pack(fit: Fit) -> dict[str, Any]:
    """Describe the state of ``fit`` between two steps as tensors, numbers and text."""
    return {
        "number": fit.number,
        "length": fit.length,
        "best": fit.best if math.isfinite(fit.best) else None,
        "waited": fit.waited,
        "metrics": fit.metrics,
        "weights": dict(fit.live),
        "average": dict(fit.average) if fit.average is not None else None,
        "optimizers": {name: optimizer.state_dict() for name, optimizer in fit.step.optimizers.items()},
        "scaler": fit.step.scaler.state_dict(),
        "plateau": fit.plateau.state_dict(),
        "tally": fit.tally.state_dict(),
        "state": {name: dict(value.state_dict()) for name, value in fit.task.state.items()},
    }


def unpack(fit: Fit, state: Mapping[str, Any]) -> None:
    """Put what :func:`pack` described back in place.

    Raises:
        InputError: If the state is of another model, method, data size or batch size; nothing has changed then.
    """
    shapes = {key: value.shape for key, value in state["weights"].items()}
    same = shapes == {key: value.shape for key, value in fit.live.items()}
    same &= set(state["optimizers"]) == set(fit.step.optimizers) and set(state["state"]) == set(fit.task.state)
    same &= (state["average"] is None) == (fit.average is None)
    if not same:
        raise InputError(f"{fit.folder.resume} was saved by a run of another model or method; give another --out.")
    if state["length"] != fit.length:
        raise InputError(
            f"{fit.folder.resume} was saved by a run with {state['length']} steps an epoch, and this one has "
            f"{fit.length}: other data or another fit.batch_size; give another --out."
        )
    fit.put(state["weights"])
    if fit.average is not None:
        fit.average = {key: value.to(fit.runtime.device) for key, value in state["average"].items()}
    for name, optimizer in fit.step.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    fit.step.scaler.load_state_dict(state["scaler"])
    fit.plateau.load_state_dict(state["plateau"])
    fit.number, fit.metrics, fit.waited = state["number"], state["metrics"], state.get("waited", 0)
    fit.best = -math.inf if state["best"] is None else state["best"]
    fit.tally.load_state_dict(state["tally"])
    for name, holder in fit.task.state.items():
        holder.load_state_dict(state["state"][name])


def split(batch: Batch, parts: int) -> Iterator[Batch]:
    """Cut a batch into ``parts`` micro-batches of equal size."""
    if parts == 1:
        yield batch
        return
    size = len(batch)
    if size % parts:
        raise InputError(f"fit.accumulate = {parts}: must divide the {size} images that this process has in a batch.")
    for start in range(0, size, size // parts):
        rows = slice(start, start + size // parts)
        inputs = batch.inputs
        yield Batch(
            inputs=tuple(view[rows] for view in inputs) if isinstance(inputs, tuple) else inputs[rows],
            labels=batch.labels[rows],
            index=batch.index[rows],
            targets=None if batch.targets is None else batch.targets[rows],
            extra={name: value[rows] for name, value in batch.extra.items()},
        )
