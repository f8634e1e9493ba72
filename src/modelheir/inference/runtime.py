"""Processes, device and precision. Launching and process groups are accelerate's; this file only uses them.

Gradients are averaged by one explicit all-reduce before a step rather than by wrapping modules, so that a step may
call any number of models any number of times, in any order, through hooks or functional calls.
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # defaults that keep the group of their first import: let it be none
from accelerate import PartialState
from torch import Tensor

from modelheir.checks import InputError
from modelheir.losses.gather import all_gather

__all__ = ["Runtime"]

Found = TypeVar("Found")

_DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def _leave() -> None:
    """End the process group, and with it its threads: one that frees a tensor while Python ends aborts the process."""
    if dist.is_initialized():
        dist.destroy_process_group()


class Runtime:
    """This process among its peers.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, or an indexed device such as ``cuda:1``.
    """

    def __init__(self, device: str = "auto") -> None:
        try:
            asked = None if device == "auto" else torch.device(device)
        except RuntimeError as error:
            raise InputError(
                f"device = {device!r}: must be auto, cpu, cuda, mps, or indexed such as cuda:1."
            ) from error
        ours = not dist.is_initialized()
        state = PartialState(cpu=device == "cpu")
        if ours and dist.is_initialized():
            atexit.register(_leave)
        self.threads: int | None = None  #: of a step on the CPU, once chosen
        self.rank, self.world = state.process_index, state.num_processes
        found = state.device if asked is None or self.world > 1 else asked
        assert found is not None
        self.device: torch.device = found
        if asked is not None and self.device.type != asked.type:
            raise InputError(f"device = {device!r} was asked for, but the processes run on {self.device}.")
        try:
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"device = {device!r} is not usable here ({reason}). Try --device cpu.") from error

    @property
    def main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def autocast(self, precision: str) -> contextlib.AbstractContextManager[Any]:
        """Return the autocast context of a precision; nothing for ``fp32``."""
        dtype = _DTYPES[precision]
        return torch.autocast(self.device.type, dtype) if dtype else contextlib.nullcontext()

    def scaler(self, precision: str) -> torch.amp.GradScaler:
        """Return a gradient scaler, which is only active for ``fp16`` off the CPU."""
        return torch.amp.GradScaler(self.device.type, enabled=precision == "fp16" and self.device.type != "cpu")

    def gather(self, values: Tensor) -> Tensor:
        """Concatenate equal-shape tensors over processes, with gradient."""
        return all_gather(values)

    def average_(self, tensors: Iterable[Tensor], *, exact: bool = False) -> None:
        """Replace floating-point tensors by their mean over processes, in one message a dtype.

        ``exact`` adds up in float64, so that equal tensors, such as statistics that are frozen, keep every bit.
        """
        if self.world == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            if tensor.is_floating_point():
                by_type.setdefault(tensor.dtype, []).append(tensor)
        for group in by_type.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in group])
            flat = flat.double() if exact else flat
            dist.all_reduce(flat)
            flat /= self.world
            for tensor, part in zip(group, flat.split([t.numel() for t in group]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def average_gradients_(self, parameters: Sequence[Tensor]) -> None:
        """Average ``.grad`` over processes; where only some processes have one, the others count as zero.

        Which parameters were used (a block that stochastic depth skipped, a head without samples) may differ between
        processes. A mark for each parameter travels in the same message, so nothing is read back unless this process
        lacks a gradient; a parameter that no process used keeps none, as with one process.
        """
        if self.world == 1:
            return
        averaged = self.average_found(parameters, [parameter.grad for parameter in parameters])
        for parameter, gradient in zip(parameters, averaged, strict=True):
            parameter.grad = gradient

    def average_found(self, like: Sequence[Tensor], found: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Average in place what processes found for the tensors ``like``; ``None`` counts as 0, and stays on all."""
        if self.world == 1:
            return list(found)
        absent = [i for i, value in enumerate(found) if value is None]
        whole = [torch.zeros_like(one) if value is None else value for one, value in zip(like, found, strict=True)]
        used = torch.ones(len(whole), device=self.device)
        used[absent] = 0
        self.average_([*whole, used])
        shares = used[absent].tolist() if absent else []
        unused = {i for i, share in zip(absent, shares, strict=True) if share == 0}
        return [None if i in unused else value for i, value in enumerate(whole)]

    def from_main_(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the main process."""
        if self.world > 1:
            for tensor in tensors:
                whole = tensor.contiguous()
                dist.broadcast(whole, src=0)
                tensor.copy_(whole)

    def agree(self, answer: bool) -> bool:
        """Return the main process's answer, on every process."""
        told = torch.tensor([float(answer)], device=self.device) if self.world > 1 else None
        if told is None:
            return answer
        dist.broadcast(told, src=0)
        return bool(told.item())

    def by_main(self, work: Callable[[], Found]) -> Found:
        """Do ``work`` on the main process alone, the only one whose disk counts, and return on all what it returned.

        Raises:
            InputError: On every process, if ``work`` raised one.
        """
        if self.world == 1:
            return work()
        told: list[Any] = [None, None]
        if self.main:
            try:
                told[0] = work()
            except InputError as error:
                told[1] = str(error)
        dist.broadcast_object_list(told, src=0, device=self.device)
        if told[1] is not None:
            raise InputError(told[1])
        return told[0]

    def everyone(self, value: Found) -> list[Found]:
        """Return the values of all processes, in process order, on every one of them."""
        found: list[Any] = [value] * self.world
        if self.world > 1:
            dist.all_gather_object(found, value)
        return found

    def to_main(self, value: Found) -> list[Found]:
        """Return the values of all processes, on the CPU, in process order; elsewhere than on the main one nothing."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        dist.gather_object(value, found if self.main else None, dst=0)
        return found if self.main else []

    def gather_rows(self, values: Tensor) -> Tensor:
        """Concatenate tensors with any number of rows a process, in process order; no gradient."""
        if self.world == 1:
            return values
        rows = torch.tensor([values.shape[0]], device=values.device)
        counts = [torch.zeros_like(rows) for _ in range(self.world)]
        dist.all_gather(counts, rows)
        sizes = [int(count) for count in counts]
        padded = values.new_zeros((max(sizes), *values.shape[1:]))
        padded[: values.shape[0]] = values
        parts = [torch.empty_like(padded) for _ in range(self.world)]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    def wait(self) -> None:
        """Wait for the other processes."""
        if self.world > 1:
            dist.barrier()
