"""A batch once more: the same draws as the first time, and nothing but the loss remains of it.

A step on trial compares two losses, so both must be of one function: the same dropout masks and mixed images. And a
step that is refused must leave no trace: not in running statistics, not in generators, not in the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from modelheir.types import Step

__all__ = ["Draws", "Listening", "replayed"]


class Draws:
    """Where all generators of a step stand; reading them never waits for the device."""

    def __init__(self, step: Step) -> None:
        found = [torch.default_generator, step.generator, step.device_generator, *_of_device(step.device)]
        self.states = [(one, one.get_state()) for one in {id(one): one for one in found}.values()]

    def again(self) -> None:
        """Put them back."""
        for generator, state in self.states:
            generator.set_state(state)


@contextlib.contextmanager
def replayed(model: nn.Module, step: Step, draws: Draws) -> Iterator[None]:
    """Let passes of ``model`` draw as they did from ``draws`` on, and take back what they move.

    Args:
        model: Its saved buffers are taken back; its weights are the caller's.
        step: The engine's.
        draws: Where generators stood when the first pass began.

    """
    now, held = Draws(step), _buffers(model)
    try:
        draws.again()
        yield
    finally:
        now.again()
        with torch.no_grad():
            for part, name, buffer, value in held:
                part._buffers[name] = buffer.copy_(value)


class Listening:
    """A step like another that writes what is observed into ``seen``, and not into the log."""

    def __init__(self, step: Step, seen: dict[str, Tensor]) -> None:
        self._step, self.seen = step, seen

    def observe(self, name: str, value: Tensor) -> None:
        """Note a scalar."""
        self.seen[name] = value.detach()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)


def _buffers(model: nn.Module) -> list[tuple[nn.Module, str, Tensor, Tensor]]:
    """Return every buffer that is saved, with a copy; others, such as a basis, are made once and large."""
    return [
        (part, name, buffer, buffer.detach().clone())
        for part in model.modules()
        for name, buffer in part.named_buffers(recurse=False)
        if name not in part._non_persistent_buffers_set
    ]


def _of_device(device: torch.device) -> list[torch.Generator]:
    if device.type == "cuda":
        return [torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]]
    return [torch.mps._get_default_mps_generator()] if device.type == "mps" else []
