"""Another process of the run that died: named in a sentence, in place of what the network library says."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch.distributed as dist

from modelheir import interrupts
from modelheir.checks import InputError
from modelheir.inference.runtime import Runtime
from modelheir.interrupts import PeerLost
from modelheir.runs.lock import has_died, this_process

__all__ = ["Peers"]

_BROKEN = re.compile(r"gloo|nccl|connection|socket|timed out", re.IGNORECASE)
_WAIT = 3.0  #: seconds in which a process whose connection broke is seen to be dead, if it is on this machine
_PAUSE = 1.0  #: the same, where a signal came


class Peers:
    """The processes of a run, as they were when they met; making one is a meeting of all."""

    def __init__(self, runtime: Runtime) -> None:
        self.rank = runtime.rank
        self.everyone = runtime.everyone(this_process()) if runtime.world > 1 else []

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turn what breaks because another process is gone into :class:`~modelheir.interrupts.PeerLost`.

        A launcher that sees a process die also ends the others, by SIGTERM; that, too, is the lost process's doing. A
        process that a signal ended has said so before, where the processes met, and is not lost.

        Raises:
            PeerLost: Names the processes that were lost.
            Stopped: If a signal ended this process, or one that it waited for.
        """
        if not self.everyone:
            yield
            return
        with interrupts.last_words(lambda: _say_stopped(self.rank)):
            try:
                yield
            except (InputError, PeerLost):
                raise
            except (Exception, KeyboardInterrupt) as error:
                interrupts.hush()  # the launcher's SIGTERM often comes just now
                broken = isinstance(error, RuntimeError) and bool(_BROKEN.search(str(error)))
                ended = interrupts.asked() == signal.SIGTERM  # perhaps by a launcher that saw a process die
                lost = _lost(self.everyone, _WAIT if broken else _PAUSE if ended else 0.0)
                if lost:
                    raise PeerLost(_sentence(lost, self.everyone)) from error
                if interrupts.asked() or isinstance(error, KeyboardInterrupt):
                    _say_stopped(self.rank)
                    raise interrupts.Stopped(interrupts.asked() or signal.SIGINT) from error
                if broken:
                    raise PeerLost(
                        f"process {self.rank} of {len(self.everyone)} lost its connection to another one: run the same "
                        "command again, and it resumes."
                    ) from error
                raise


def _lost(everyone: Sequence[Mapping[str, Any]], seconds: float) -> list[int]:
    """Return the processes of this machine that died without a word, waiting for the first up to ``seconds``."""
    until = time.monotonic() + seconds
    while True:
        dead = [rank for rank, process in enumerate(everyone) if has_died(process)]
        if dead or time.monotonic() >= until:
            return [rank for rank in dead if not _has_said(rank)]
        time.sleep(0.05)


def _sentence(lost: Sequence[int], everyone: Sequence[Mapping[str, Any]]) -> str:
    several = len(lost) > 1
    names = ", ".join(f"{rank} (pid {everyone[rank]['pid']})" for rank in lost)
    return (
        f"{'processes' if several else 'process'} {names} of {len(everyone)} {'were' if several else 'was'} lost, "
        "killed or out of memory: run the same command again, and it resumes."
    )


def _say_stopped(rank: int) -> None:
    with contextlib.suppress(RuntimeError):  # whoever keeps the store is gone
        dist.distributed_c10d._get_default_store().set(f"modelheir/stopped/{rank}", "1")


def _has_said(rank: int) -> bool:
    with contextlib.suppress(RuntimeError):
        return dist.distributed_c10d._get_default_store().check([f"modelheir/stopped/{rank}"])
    return False
