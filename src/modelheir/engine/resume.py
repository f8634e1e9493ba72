"""What a stage in training must find again after it was killed: to a plain dict and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from modelheir.checks import InputError
from modelheir.engine.speed.layout import load_optimizer
from modelheir.engine.state import Training
from modelheir.runs.stage import StageFolder
from modelheir.runs.tensors import load_state, load_weights, state_digest

__all__ = ["pack", "read_resume", "unpack"]


def read_resume(folder: StageFolder) -> dict[str, Any] | None:
    """Return what :func:`pack` described last, or ``None`` where the stage has not begun.

    Raises:
        InputError: If it is damaged.
    """
    if not folder.resume.is_file():
        return None
    state = load_state(folder.resume)
    if state.get("chosen") is None and folder.best.is_file():  # where an earlier version kept them
        state["chosen"] = load_weights(folder.best)
    return state


def pack(training: Training) -> dict[str, Any]:
    """Describe the state of ``training`` between two steps as tensors, numbers and text; all processes together."""
    own, others = _states(training)
    return {
        "number": training.number,
        "length": training.length,
        "best": training.best if math.isfinite(training.best) else None,
        "waited": training.waited,
        "latest": training.latest if math.isfinite(training.latest) else None,
        "worse": training.worse,
        "stalls": training.stalls,
        "seconds": training.seconds,
        "chosen_epoch": training.chosen_epoch,
        "chosen_loss": training.chosen_loss if math.isfinite(training.chosen_loss) else None,
        "metrics": training.metrics,
        "chosen": training.chosen,
        "threads": training.runtime.threads,
        "weights": dict(training.live),
        "average": dict(training.average) if training.average is not None else None,
        "optimizers": {name: optimizer.state_dict() for name, optimizer in training.step.optimizers.items()},
        "scaler": training.step.scaler.state_dict(),
        "plateau": training.plateau.state_dict(),
        "tally": training.tally.state_dict(),
        "state": own,
        "others": others,
    }


def _states(training: Training) -> tuple[dict[str, Any], list[Any]]:
    """Return the further state of this process and, on the main one, of each other process whose state differs."""
    own = {name: dict(holder.state_dict()) for name, holder in training.task.state.items()}
    runtime = training.runtime
    if runtime.world == 1 or not own:
        return own, []
    digest = state_digest(own)
    same = digest == runtime.by_main(lambda: digest)
    on_cpu = {
        name: {key: value.cpu() if isinstance(value, Tensor) else value for key, value in held.items()}
        for name, held in own.items()
    }
    return own, runtime.to_main(None if same else on_cpu)[1:]


def unpack(training: Training, state: Mapping[str, Any]) -> None:
    """Put what :func:`pack` described back in place.

    Raises:
        InputError: If the state is of another model, method, data size or batch size; nothing has changed then.
    """
    shapes = {key: value.shape for key, value in state["weights"].items()}
    same = shapes == {key: value.shape for key, value in training.live.items()}
    same &= set(state["optimizers"]) == set(training.step.optimizers) and set(state["state"]) == set(
        training.task.state
    )
    same &= (state["average"] is None) == (training.average is None)
    if not same:
        raise InputError(f"{training.folder.resume} was saved by a run of another model or method; give another --out.")
    if state["length"] != training.length:
        raise InputError(
            f"{training.folder.resume} was saved by a run with {state['length']} steps an epoch, and this one has "
            f"{training.length}: other data or another fit.batch_size; give another --out."
        )
    others, runtime = state.get("others") or [], training.runtime
    if any(one is not None for one in others) and len(others) + 1 != runtime.world:
        raise InputError(
            f"{training.folder.resume} was saved by {len(others) + 1} processes, each with a state of its own, and "
            f"this run has {runtime.world}: start as many, or give another --out."
        )
    mine = others[runtime.rank - 1] if 0 < runtime.rank <= len(others) else None
    held = state["state"] if mine is None else mine
    training.put(state["weights"])
    if training.average is not None:
        training.average = {key: value.to(training.runtime.device) for key, value in state["average"].items()}
    for name, optimizer in training.step.optimizers.items():
        load_optimizer(optimizer, state["optimizers"][name])
    training.step.scaler.load_state_dict(state["scaler"])
    training.plateau.load_state_dict(state["plateau"])
    training.number, training.metrics, training.waited = state["number"], state["metrics"], state.get("waited", 0)
    training.latest = -math.inf if state.get("latest") is None else state["latest"]
    training.worse, training.stalls = state.get("worse", False), state.get("stalls", 0)
    training.seconds, training.chosen_epoch = state.get("seconds", 0.0), state.get("chosen_epoch", 0)
    training.chosen_loss = math.inf if state.get("chosen_loss") is None else state["chosen_loss"]
    training.best = -math.inf if state["best"] is None else state["best"]
    training.runtime.threads = training.runtime.threads or state.get("threads")
    training.chosen = state.get("chosen")
    training.tally.load_state_dict(state["tally"])
    for name, holder in training.task.state.items():
        holder.load_state_dict(held[name])
