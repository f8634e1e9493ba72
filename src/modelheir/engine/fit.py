"""The loop: batch, terms, backward, clip, step, log, evaluate, save. One stage at a time, one loop for every method."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modelheir import interrupts
from modelheir.config.fit import FitConfig
from modelheir.engine.accept import accept
from modelheir.engine.batches import Waiting, repeat, split
from modelheir.engine.faults import NotFinite, begun, fall_back, not_finite
from modelheir.engine.optim import ema_update_, set_learning_rate
from modelheir.engine.reducing import Reducing
from modelheir.engine.resume import read_resume, unpack
from modelheir.engine.saving import Cadence, finish, write_checkpoint, write_resume
from modelheir.engine.schedules import learning_rate
from modelheir.engine.selection import ended, select
from modelheir.engine.speed.compiling import begin_step, check_compiler, compiled
from modelheir.engine.speed.threads import Threads
from modelheir.engine.state import begin, moving_buffers, named_state
from modelheir.inference.runtime import Runtime
from modelheir.plans import Task
from modelheir.runs.stage import StageFolder
from modelheir.types import Batch, Log, LossTerms, Progress, StageResult

__all__ = ["Fit", "fit"]

_WARM_UP = 2  #: steps on trial that are not counted
_LOOK_EVERY = 200  #: steps between looks at the losses where looking makes the host wait for the device


def fit(
    task: Task, folder: StageFolder, *, runtime: Runtime, fit: FitConfig, seed: int, log: Log, progress: Progress
) -> StageResult:
    """Train one stage, or go on where an earlier process stopped; the numbers are the same either way.

    Raises:
        InputError: If the loss stops being finite (see ``Task.fallback``) or a file cannot be written.
    """
    return Fit(task, folder, runtime, task.fit or fit, seed, log, progress).run()


class Fit:
    """The loop over one stage; all that changes is in ``now``."""

    def __init__(
        self, task: Task, folder: StageFolder, runtime: Runtime, fit: FitConfig, seed: int, log: Log, progress: Progress
    ) -> None:
        accept(task, fit, folder.name)
        self.task, self.folder, self.runtime, self.fit = task, folder, runtime, fit
        self.log, self.progress = log, progress
        self.now = begin(task, folder, runtime, fit, seed)
        self.step, self.length = self.now.step, self.now.length
        self.reducing = Reducing(task, self.fit, runtime, self.step)
        self.cadence = Cadence(fit.save_every_seconds)
        self.threads = Threads(runtime, fit.threads, progress.note, settled=fit.compile)

    def run(self) -> StageResult:
        """Train from where the folder stands to the end of the stage, and leave its result."""
        start, about = begun(self.now), {}
        try:
            self.train()
        except NotFinite as error:
            about = fall_back(self.now, start, error, self.progress)
        return finish(self.now, **about)

    def train(self) -> None:
        """Train from where the folder stands to the end of the stage."""
        try:
            with self._compiled():
                self._train()
            self.now.snapshots.flush()
        finally:
            self.now.snapshots.close()

    def try_steps(self, count: int) -> float:
        """Return the seconds of the first ``count`` steps, done on trial: weights move, and nothing is written."""
        assert self.now.stream is not None
        batches = itertools.chain.from_iterable(self.now.stream.epoch(0) for _ in itertools.count())
        others = {name: repeat(stream, 0) for name, stream in self.task.streams.items() if name != self.now.first}
        for module in self.task.modules.values():
            module.train()
        began = 0.0
        with self._compiled():
            for number in range(_WARM_UP + count):
                if number == _WARM_UP:
                    began = time.perf_counter()
                self._one(0, {self.now.first: next(batches), **{name: next(other) for name, other in others.items()}})
            self.now.tally.means(1)  # waits for the device
            return time.perf_counter() - began

    def _compiled(self) -> contextlib.AbstractContextManager[None]:
        compiles, graphs = self.fit.compile and self.now.stream is not None, self.fit.cuda_graphs
        if compiles:
            check_compiler(self.runtime.device, graphs=graphs)
        return compiled(self._networks() if compiles else (), graphs=graphs)

    def _networks(self) -> list[nn.Module]:
        """Return what runs in a step: what is trained, and frozen networks beside it."""
        frozen = [one for one in self.task.references.values() if next(one.parameters(), None) is not None]
        return [*self.task.modules.values(), *frozen]

    def _train(self) -> None:
        now, name = self.now, self.folder.name
        if now.stream is None:  # the weights are kept as they came: a blend, an average
            return
        saved = self.runtime.by_main(lambda: read_resume(self.folder))
        resumed = saved is not None
        if saved is not None:
            unpack(now, saved)
        self.threads.begin()
        now.snapshots.rewind(now.number if resumed else -1)
        start = now.number // self.length
        self.log.rewind(name, start)
        self.progress.stage(name, self.step.steps, now.number)
        if self.fit.snapshots.on and self.fit.snapshots.start_epoch > self.fit.epochs:
            self.progress.note(f"{name}: no snapshots, as it ends before fit.snapshots.start_epoch")
        if not resumed:
            write_checkpoint(now, 0)
            now.snapshot()
            if self.fit.keep_start:
                select(now)
                self.progress.note(f"{name}: {now.latest:.4f} before the first step")
        for epoch in range(start, self.fit.epochs):
            if why := ended(now):
                self.progress.note(f"{name}: {why}")
                break
            self._epoch(epoch)
        if not now.snapshots.due(now.number):
            now.snapshot(last=True)

    def _epoch(self, epoch: int) -> None:
        now = self.now
        assert now.stream is not None
        began, images, first = time.monotonic(), 0, now.number
        for module in self.task.modules.values():
            module.train()
        streams = self.task.streams.items()
        others = {name: repeat(stream, now.number) for name, stream in streams if name != now.first}
        every, alone = self.fit.save_every_steps, self.runtime.world == 1
        waiting = Waiting(now.stream.epoch(epoch, start=now.number % self.length))
        for batch in waiting:
            batches = {now.first: batch, **{name: next(other) for name, other in others.items()}}
            with interrupts.held() as asked:
                if self.threads.open:
                    self.threads.measure(self._one, epoch, batches)
                else:
                    self._one(epoch, batches)
                now.number += 1
                images += len(batch)
                self.progress.advance(len(batch) * self.runtime.world)
                if asked():
                    self._stop(epoch)
            if now.number % self.length == 0:
                continue
            now.snapshot()
            if (every and now.number % every == 0) or (alone and self.cadence.due()):
                self._settle(epoch)
                self.cadence.save(self._save)
            elif now.number % _LOOK_EVERY == 0:
                self._check(epoch)
        if now.number != (epoch + 1) * self.length:
            raise ValueError(f"stream {now.first!r} promised {self.length} batches, gave {now.number - first}")
        self._settle(epoch)
        now.snapshot()
        row = now.tally.means(self.length)
        row |= {"images_per_second": images * self.runtime.world / max(time.monotonic() - began, 1e-9)}
        now.seconds += time.monotonic() - began
        row |= {"data_seconds": waiting.seconds, "lr": self.rate(self.fit, now.number - 1), "steps": now.number - first}
        last = epoch + 1 == self.fit.epochs
        if "val" in self.task.evaluate and ((epoch + 1) % self.fit.evaluate_every == 0 or last):
            row |= select(now)
        self.log.write({"stage": self.folder.name, "epoch": epoch, "step": now.number, **row})
        self.progress.epoch(row)
        write_checkpoint(now, epoch + 1)
        every = self.fit.save_every_epochs
        if (every and ((epoch + 1) % every == 0 or last)) or self.runtime.agree(self.cadence.due()):
            self.cadence.save(self._save)

    def _stop(self, epoch: int) -> None:
        """End after a step, as a signal asked; alone, what was done is kept, where it does not end an epoch."""
        if self.runtime.world == 1 and self.now.number % self.length:
            self._settle(epoch)
            self.cadence.save(self._save)
        raise interrupts.Stopped(interrupts.asked())

    def _save(self) -> None:
        write_resume(self.now)

    def _one(self, epoch: int, batches: Mapping[str, Batch]) -> None:
        """Do one optimiser step."""
        now, step = self.now, self.step
        begin_step(graphs=self.fit.cuda_graphs)
        step.begin(epoch, now.number)
        now.tally.begin(now.number % self.length)
        for name, optimizer in step.optimizers.items():
            set_learning_rate(optimizer, self.rate(now.fits[name], now.number))
        if self.task.update is not None:
            with self.runtime.autocast(self.fit.precision), self.reducing.norms():
                found = self.task.update(batches, step)
            self._add(epoch, found, found.total, 1.0)
        else:
            parts = self.fit.accumulate
            micros = zip(*(split(batch, parts) for batch in batches.values()), strict=True)
            for number, micro in enumerate(micros, 1):
                with self.reducing.alone(last=number == parts):
                    with self.runtime.autocast(self.fit.precision), self.reducing.norms():
                        found = self.reducing(dict(zip(batches, micro, strict=True)))
                        total = found.total
                    self._add(epoch, found, total, 1 / parts)
                    step.backward(total / parts)
            step.apply()
        if now.average is not None:
            ema_update_(now.average, now.live, self.fit.ema_decay)

    def _add(self, epoch: int, found: LossTerms, total: Tensor, share: float) -> None:
        found = LossTerms(found.terms, {**found.observed, **self.step.observed()})
        self.now.tally.add(found, total, share)
        if self.runtime.device.type == "cpu":  # nothing to wait for, so a bad loss never reaches the weights
            position = self.now.number % self.length
            self._check(epoch, position, position + 1)

    def _settle(self, epoch: int) -> None:
        """Stop if the state is not worth keeping; else make every process hold the same."""
        now = self.now
        self._check(epoch)
        trained = [p for module in self.task.modules.values() for p in module.parameters() if p.requires_grad]
        if trained and not bool(torch.stack([p.detach().isfinite().all() for p in trained]).all()):
            raise not_finite(now, "a weight", now.number - 1)
        now.live = named_state(self.task.modules)  # a module may have put another tensor in a buffer's place
        moving = moving_buffers(self.task.modules)
        kept = [now.average[key] for key in moving] if now.average else []
        self.runtime.average_([*moving.values(), *kept], exact=True)
        now.tally.share_()

    def _check(self, epoch: int, *span: int) -> None:
        """Stop when a loss of this epoch (of its steps in ``span``) was not finite; name the batch."""
        position = self.now.tally.bad_step(*span)
        if position is not None:
            raise not_finite(self.now, "the loss", epoch * self.length + position)

    def rate(self, fit: FitConfig, number: int) -> float:
        """Return the learning rate of step ``number`` of an optimiser with settings ``fit``."""
        return learning_rate(fit, number, self.length) * (self.now.plateau.scale if fit.schedule == "plateau" else 1.0)
