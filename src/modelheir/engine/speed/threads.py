"""How many threads a step takes on the CPU: as asked for, or the faster of one and all, measured in the first steps.

With another program on the machine, two threads on two cores can take several times longer than one, since each waits
for the other at every operation. The steps that are measured are steps of the training like any other. The number of
threads may change the order in which numbers are added up, so the choice is kept: in the resume point, for the rest of
the run, and in the results of its stages.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from modelheir.inference.runtime import Runtime

__all__ = ["Threads", "restored"]

_WARM_UP, _TRIED = 2, 8  #: steps that are not counted, then steps that are, in turn with all threads and with one


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Give torch its number of threads back in the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Threads:
    """The choice of one run.

    Args:
        runtime: This process; carries the choice from stage to stage.
        asked: ``fit.threads``; 0 measures, unless the environment (``OMP_NUM_THREADS``, ``MKL_NUM_THREADS``), several
            processes, another device than the CPU or a single core leave nothing to choose.
        note: Told what was chosen.
        settled: Compiled code keeps the number that it was compiled with, so there is nothing to measure.
    """

    def __init__(self, runtime: Runtime, asked: int, note: Callable[[str], None], *, settled: bool = False) -> None:
        self.runtime, self.note, self.most = runtime, note, torch.get_num_threads()
        self.seconds = {1: float("inf"), self.most: float("inf")}
        self.number, self.open = 0, False
        if asked:
            runtime.threads = asked
        told = any(os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"))
        self._free = not settled and runtime.device.type == "cpu" and runtime.world == 1 and self.most > 1 and not told

    def begin(self) -> None:
        """Use what was chosen before, or let the next steps choose."""
        if self.runtime.threads:
            torch.set_num_threads(self.runtime.threads)
        self.open = self._free and not self.runtime.threads

    def measure(self, step: Callable[..., None], *arguments: Any) -> None:
        """Do one step and count its time; after the last of them, choose."""
        tried = self.number - _WARM_UP
        threads = self.most if tried < 0 or tried % 2 == 0 else 1
        torch.set_num_threads(threads)
        began = time.perf_counter()
        step(*arguments)
        took = time.perf_counter() - began
        if tried >= 0:
            self.seconds[threads] = min(self.seconds[threads], took)
        self.number += 1
        if self.number == _WARM_UP + _TRIED:
            self._choose()

    def _choose(self) -> None:
        one, many = self.seconds[1], self.seconds[self.most]
        self.runtime.threads = chosen = 1 if one < many else self.most
        self.open = False
        torch.set_num_threads(chosen)
        self.note(
            f"{chosen} {'thread' if chosen == 1 else 'threads'}: a step took {1000 * one:.2f} ms with 1 and "
            f"{1000 * many:.2f} ms with {self.most} (fit.threads sets the number)"
        )
