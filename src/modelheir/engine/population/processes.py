"""Members side by side, each in a process of its own with few threads: what keeps a CPU busy with small networks.

A process is forked for each member, so that what was decoded before, a store of images, lies in memory once. It trains
by the house's loop and writes its own folder; rows of the log and steps of the progress travel to the first process
through a pipe. A process that dies without a word is said, and its member is trained again from where it stood.
"""

from __future__ import annotations

import collections
import multiprocessing
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from modelheir.checks import InputError
from modelheir.engine.population.members import Member, Members, train_member

__all__ = ["refuse", "train", "try_steps"]

_LIVES = 3  #: processes that a member may cost
_PATIENCE = 20.0  #: seconds in which a process that is asked to end writes where it stands


def refuse(members: Members, waiting: Sequence[Member]) -> str:
    """Say why members cannot be trained by processes side by side here; "" where they can."""
    runtime = members.runtime
    if runtime.device.type != "cpu":
        return f"they are for the CPU, and this run is on {runtime.device}"
    if runtime.world > 1:
        return f"the run is on {runtime.world} processes already"
    if sys.platform != "linux" or torch.cuda.is_available():
        return "a process that is a copy of this one is safe on Linux without a GPU alone"
    if members.fit.compile:
        return "each would compile for itself (fit.compile)"
    if _at_once(members, waiting) < 2:
        return "one at a time is all there is room or work for"
    return ""


def try_steps(members: Members, waiting: Sequence[Member], count: int, limit: float) -> float:
    """Return the seconds a step and member, as many processes as there will be, all at work."""
    together = _at_once(members, waiting)
    members.loop(waiting[0])  # what members share, and what torch imports for it, is made once, here
    ends = []
    for member in waiting[:together]:

        def work(end: Connection, member: Member = member) -> None:
            loop = members.loop(member)
            end.send(loop.try_steps(count))

        ends.append(_start(members, work))
    try:
        took = [_last_word(end) for _, end in ends]
    finally:
        _end([process for process, _ in ends])
    return max(took) / count / together


def train(members: Members, waiting: Sequence[Member]) -> None:
    """Train members, as many at once as there are cores for.

    Raises:
        InputError: If one cannot be trained, or its processes died again and again.
    """
    together, left = _at_once(members, waiting), collections.deque(waiting)
    first = members.loop(waiting[0])  # made once, here, as above
    members.progress.stage(members.folder.name, len(waiting) * first.step.steps)
    del first
    running: dict[Connection, tuple[Any, Member]] = {}
    lives = collections.Counter[int]()
    try:
        while left or running:
            while left and len(running) < together:
                member = left.popleft()
                lives[member.number] += 1
                process, end = _start(members, lambda end, member=member: _train(members, member, end))
                running[end] = process, member
            for end in wait(list(running)):
                assert isinstance(end, Connection)
                process, member = running[end]
                try:
                    _take(members, end.recv())
                    continue
                except EOFError:
                    pass
                del running[end]
                process.join()
                if not member.folder.finished:
                    _mourn(members, member, process.exitcode, lives[member.number])
                    left.appendleft(member)
    finally:
        _end([process for process, _ in running.values()])


def _at_once(members: Members, waiting: Sequence[Member]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(len(waiting), cores // _threads(members))


def _threads(members: Members) -> int:
    return members.fit.threads or 1


def _train(members: Members, member: Member, end: Connection) -> None:
    told = _Told(end)
    train_member(members.loop(member, log=told, progress=told))


def _start(members: Members, work: Callable[[Connection], None]) -> tuple[Any, Connection]:
    """Start a process and return it with the end of a pipe that says what it has to say, and closes when it ends."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_live, args=(members, work, theirs))
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():  # of threads that a copy lacks: torch's, which a copy with one thread never uses
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    return process, ours


def _live(members: Members, work: Callable[[Connection], None], end: Connection) -> None:
    """Be a process of the grid."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process says when to end, by SIGTERM
    threads = _threads(members)
    members.runtime.threads = threads
    torch.set_num_threads(threads)
    try:
        work(end)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    except InputError as error:
        end.send(("refused", str(error)))
    except Exception:
        end.send(("fault", traceback.format_exc()))


def _take(members: Members, word: tuple[str, Any]) -> None:
    """Do what a process says."""
    kind, value = word
    match kind:
        case "row":
            members.log.write(value)
        case "rewind":
            members.log.rewind(*value)
        case "steps":
            for images in value:
                members.progress.advance(images)
        case "epoch":
            members.progress.epoch(value)
        case "note":
            members.progress.note(value)
        case "refused":
            raise InputError(value)
        case _:
            raise RuntimeError(f"a process of grid {members.folder.name} failed:\n{value}")


def _last_word(end: Connection) -> float:
    try:
        word = end.recv()
    except EOFError as error:
        raise InputError("a process of the grid died on trial, killed or out of memory.") from error
    if isinstance(word, tuple):
        raise RuntimeError(word[1])
    return word


def _mourn(members: Members, member: Member, code: int | None, lives: int) -> None:
    """Say that a process died, and give up where it was not the first of its member."""
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    setting = ", ".join(f"{name} = {value}" for name, value in member.setting.items())
    what = f"{members.folder.name}: the process of {setting} ended {how}, killed or out of memory"
    if lives >= _LIVES:
        raise InputError(f"{what}, {lives} times. Give it more memory; the same command goes on with what is finished.")
    members.progress.note(f"{what}; it is started again")


def _end(processes: Sequence[Any]) -> None:
    """End processes; each may write where it stands first."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + _PATIENCE
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


class _Told:
    """Log and progress of a process: what it is told travels through a pipe, the steps at most ten times a second."""

    def __init__(self, end: Connection) -> None:
        self.end, self.steps, self.sent, self.parent = end, [], time.monotonic(), os.getppid()

    def write(self, row: Mapping[str, Any]) -> None:
        """Send a row of the log."""
        self.end.send(("row", dict(row)))

    def rewind(self, stage: str, epoch: int) -> None:
        """Send that rows are about to be written again."""
        self.end.send(("rewind", (stage, epoch)))

    def stage(self, name: str, steps: int, done: int = 0) -> None:
        """Begin: the grid has one bar for all."""

    def advance(self, images: int) -> None:
        """Count a step; end where the first process is gone."""
        self.steps.append(images)
        if time.monotonic() - self.sent > 0.1:
            self._flush()

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Send what an epoch logged."""
        self._flush()
        self.end.send(("epoch", dict(row)))

    def note(self, text: str) -> None:
        """Send a line."""
        self.end.send(("note", text))

    def close(self) -> None:
        """Nothing is open."""

    def _flush(self) -> None:
        if os.getppid() != self.parent:
            os._exit(1)
        self.end.send(("steps", self.steps))
        self.steps, self.sent = [], time.monotonic()
