"""Members as one stack, step by step: what pays for networks so small that most of a step is not arithmetic.

All members of a stack are at the same step. Where one ends, at the end of an epoch, the stack is made anew without it.
A resume point holds the whole stack between two epochs; a signal loses the epoch it falls in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from modelheir import interrupts
from modelheir.engine.batches import Waiting, repeat
from modelheir.engine.faults import not_finite
from modelheir.engine.fit import Fit
from modelheir.engine.optim import ema_update_, set_learning_rate
from modelheir.engine.population.members import Member, Members, fail_member, finish_member
from modelheir.engine.population.stack import Stack, differences
from modelheir.engine.resume import pack, unpack
from modelheir.engine.saving import Cadence, write_checkpoint
from modelheir.engine.selection import ended, select
from modelheir.engine.step import EngineStep
from modelheir.models.adapters import is_function
from modelheir.runs.tensors import load_state, save_state
from modelheir.types import Batch

__all__ = ["refuse", "train", "try_steps"]

_WARM_UP = 2  #: steps on trial that are not counted


def refuse(members: Members, waiting: Sequence[Member]) -> str:
    """Say why members cannot be stacked; "" where they can."""
    if not members.grid.share:
        return "the grid does not say that its members share their objective (share)"
    if members.runtime.world > 1:
        return f"the run is on {members.runtime.world} processes"
    if len(waiting) < 2:
        return "one member is no stack"
    loops = [members.loop(one) for one in waiting]
    first = loops[0].task
    for loop in loops:
        fit, task = loop.fit, loop.task
        needs = {
            "an update of its own": task.objective is None,
            "state beside its networks": bool(task.state),
            "networks that are functions of others": any(map(is_function, task.modules.values())),
            f"fit.accumulate = {fit.accumulate}": fit.accumulate > 1,
            f"fit.precision = {fit.precision}": fit.precision != "fp32",
            "fit.compile": fit.compile,
        }
        if there := [what for what, there in needs.items() if there]:
            return f"a member has {' and '.join(there)}"
        if list(task.modules) != list(first.modules):
            return "members have different networks"
        if any(len(one) != len(first.streams[name]) for name, one in task.streams.items()):
            return "members have data of different sizes"
    for name in first.modules:
        if why := differences([loop.task.modules[name] for loop in loops]):
            return why
    return ""


def try_steps(members: Members, waiting: Sequence[Member], count: int, limit: float) -> float:
    """Return the seconds a step and member; of fewer steps than ``count`` once these took longer than all may."""
    course = _Course(members, [members.loop(one) for one in waiting])
    began, whole = 0.0, count * len(waiting) * limit
    for number, batches in enumerate(course.batches(0, 0), 1 - _WARM_UP):
        losses, _ = course.step(0, 0, batches)
        if number == 0:
            began = time.perf_counter()
        if number == count or (number > 0 and time.perf_counter() - began > whole):
            losses.tolist()  # waits for the device
            return (time.perf_counter() - began) / number / len(waiting)
    raise AssertionError("a stream on trial has no end")


def train(members: Members, waiting: Sequence[Member]) -> None:
    """Train members together until each has ended."""
    saved = load_state(members.folder.resume).get("stack", {})
    some = [one for one in members if one.number in saved] or waiting
    loops = [members.loop(one) for one in some]
    for one, loop in zip(some, loops, strict=True):
        if saved:
            unpack(loop.now, saved[one.number])
    _Course(members, loops, [one.number for one in some]).train(resumed=bool(saved))


class _Course:
    """The loop over a stack."""

    def __init__(self, members: Members, loops: Sequence[Fit], numbers: Sequence[int] = ()) -> None:
        self.members, self.loops, self.numbers = members, list(loops), list(numbers)
        first = loops[0]
        steps = max(loop.step.steps for loop in loops)
        self.fit, self.length, self.steps = first.fit, first.length, steps
        self.seeded = EngineStep(
            members.runtime, first.fit, {}, stage=members.folder.name, seed=members.seed, steps=steps
        )
        self.cadence = Cadence(first.fit.save_every_seconds)
        self.stack = Stack([loop.now for loop in loops])

    def train(self, *, resumed: bool) -> None:
        """Train to the end of the last member."""
        held = list(self.loops)
        try:
            self._train(resumed=resumed)
        finally:
            for loop in held:
                loop.now.snapshots.close()

    def _train(self, *, resumed: bool) -> None:
        name, start = self.members.folder.name, self.loops[0].now.number // self.length
        self.members.progress.stage(name, self.steps, self.loops[0].now.number)
        for loop in self.loops:
            self.members.log.rewind(loop.folder.name, start)
            loop.now.snapshots.rewind(loop.now.number if resumed else -1)
            if not resumed:
                write_checkpoint(loop.now, 0)
                loop.now.snapshot()
            if loop.fit.keep_start and not resumed:
                select(loop.now)
        epoch = start
        while self.loops:
            over = [loop for loop in self.loops if ended(loop.now) or loop.now.number >= loop.step.steps]
            if over:
                self.cadence.save(self._save)
                for loop in over:
                    if why := ended(loop.now):
                        self.members.progress.note(f"{loop.folder.name}: {why}")
                    if not loop.now.snapshots.due(loop.now.number):
                        loop.now.snapshot(last=True)
                    loop.now.snapshots.flush()
                    finish_member(loop.now)
                self._keep([loop for loop in self.loops if loop not in over])
                continue
            self._epoch(epoch)
            epoch += 1
            every = self.fit.save_every_epochs
            if self.cadence.due() or (every and epoch % every == 0):
                self.cadence.save(self._save)

    def batches(self, epoch: int, number: int) -> Iterator[dict[str, list[Batch]]]:
        """Yield the batches of an epoch: of each stream one a member, or one alone where all read the same."""
        found: dict[str, list[Iterator[Batch]]] = {}
        for name in self.loops[0].task.streams:
            streams = [loop.task.streams[name] for loop in self.loops]
            streams = streams[:1] if all(one is streams[0] for one in streams) else streams
            if name == self.loops[0].now.first and self.numbers:
                found[name] = [stream.epoch(epoch) for stream in streams]
            else:  # on trial, steps are as many as it takes
                found[name] = [repeat(stream, number) for stream in streams]
        while True:
            try:
                yield {name: [next(one) for one in iterators] for name, iterators in found.items()}
            except StopIteration:
                return

    def step(self, epoch: int, number: int, batches: dict[str, list[Batch]]) -> tuple[Tensor, dict[str, Tensor]]:
        """Do one optimiser step of every member."""
        self.seeded.begin(epoch, number)
        for loop in self.loops:
            for name, optimizer in loop.step.optimizers.items():
                set_learning_rate(optimizer, loop.rate(loop.now.fits[name], number))
        found = self.stack.step(batches, self.seeded)
        for loop in self.loops:
            loop.step.apply()
            if loop.now.average is not None:
                ema_update_(loop.now.average, loop.now.live, loop.fit.ema_decay)
        return found

    def _epoch(self, epoch: int) -> None:
        began, images, seen, first = time.monotonic(), 0, [], epoch * self.length
        self.stack.problem.train()
        waiting = Waiting(self.batches(epoch, first))
        for number, batches in enumerate(waiting, first):
            with interrupts.held() as asked:
                losses, observed = self.step(epoch, number, batches)
                seen.append({**observed, "loss": losses})
                count = len(next(iter(batches.values()))[0])
                images += count
                self.members.progress.advance(count * len(self.loops))
                for loop in self.loops if (number + 1) % self.length else ():
                    loop.now.number = number + 1
                    loop.now.snapshot()
                if asked():
                    raise interrupts.Stopped(interrupts.asked())
        took, finite = (time.monotonic() - began) / len(self.loops), self.stack.finite().tolist()
        means = {name: torch.stack([one[name] for one in seen]).float().mean(0).tolist() for name in sorted(seen[0])}
        held = []
        for place, loop in enumerate(self.loops):
            now = loop.now
            now.number, now.seconds = first + self.length, now.seconds + took
            if not (finite[place] and math.isfinite(means["loss"][place])):
                now.tally.losses.copy_(torch.stack([one["loss"][place] for one in seen]))
                bad = now.tally.bad_step()
                what, number = ("a weight", now.number - 1) if bad is None else ("the loss", first + bad)
                fail_member(now, str(not_finite(now, what, number)))
                continue
            now.snapshot()
            row: dict[str, Any] = {"stage": loop.folder.name, "epoch": epoch, "step": now.number}
            row |= {name: values[place] for name, values in means.items()}
            row |= {"images_per_second": images / max(took, 1e-9), "data_seconds": waiting.seconds / len(self.loops)}
            row |= {"lr": loop.rate(loop.fit, now.number - 1), "steps": self.length}
            if (epoch + 1) % loop.fit.evaluate_every == 0 or now.number == loop.step.steps:
                row |= select(now)
            self.members.log.write(row)
            self.members.progress.epoch(row)
            write_checkpoint(now, epoch + 1)
            held.append(loop)
        self._keep(held)

    def _keep(self, loops: list[Fit]) -> None:
        """Go on with these members alone."""
        if len(loops) < len(self.loops):
            self.numbers = [n for n, loop in zip(self.numbers, self.loops, strict=True) if loop in loops]
            self.loops = loops
            if loops:
                self.stack.place([loop.now for loop in loops])

    def _save(self) -> None:
        """Write where the stack stands, once every snapshot before it is on disk."""
        for loop in self.loops:
            loop.now.snapshots.flush()
        packs = {number: pack(loop.now) for number, loop in zip(self.numbers, self.loops, strict=True)}
        state = load_state(self.members.folder.resume)
        save_state(self.members.folder.resume, {**state, "stack": packs})
