"""The loop: batch, terms, backward, clip, step, log, evaluate, save. One stage at a time, one loop for every method."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from modelheir.config.fit import FitConfig
from modelheir.engine.accept import accept
from modelheir.engine.evaluate import average_views, evaluation, predict_stream, summarise
from modelheir.engine.optim import Plateau, ema_update_, learning_rate, make_optimizers, set_learning_rate
from modelheir.engine.resume import named_state, pack, repeat, split, unpack
from modelheir.engine.runtime import Runtime
from modelheir.engine.step import EngineStep
from modelheir.engine.tally import Tally, Waiting, not_finite
from modelheir.runs.predictions import write_predictions
from modelheir.runs.stage import StageFolder
from modelheir.runs.tensors import load_state, load_weights, save_state, save_weights
from modelheir.types import Batch, Log, LossTerms, Progress, StageResult, Task

__all__ = ["Fit", "fit"]

_LOOK_EVERY = 200  #: steps between looks at the losses where looking makes the host wait for the device


def fit(
    task: Task, folder: StageFolder, *, runtime: Runtime, fit: FitConfig, seed: int, log: Log, progress: Progress
) -> StageResult:
    """Train one stage, or go on where an earlier process stopped; the numbers are the same either way.

    Raises:
        InputError: If the loss stops being finite (the last saved state stays) or a file cannot be written.
    """
    return Fit(task, folder, runtime, task.fit or fit, seed, log, progress).run()


class Fit:
    """The state of one stage in training."""

    def __init__(
        self, task: Task, folder: StageFolder, runtime: Runtime, fit: FitConfig, seed: int, log: Log, progress: Progress
    ) -> None:
        accept(task, fit, folder.name)
        self.task, self.folder, self.runtime, self.fit = task, folder, runtime, fit
        self.log, self.progress = log, progress
        for module in (*task.modules.values(), *task.references.values()):
            module.to(runtime.device)
        self.first, self.stream = next(iter(task.streams.items()), ("", None))
        self.length = len(self.stream) if self.stream is not None else 0
        optimizers, self.fits = make_optimizers(task, fit)
        steps = fit.epochs * self.length
        self.step = EngineStep(runtime, fit, optimizers, stage=folder.name, seed=seed, steps=steps)
        self.plateau = Plateau(fit.step_epochs, fit.step_factor)
        self.number, self.best, self.waited, self.metrics = 0, -float("inf"), 0, dict[str, float]()
        self.tally = Tally(runtime, self.length)
        self.live = named_state(task.modules)
        self.buffers = {f"{name}/{key}" for name, module in task.modules.items() for key, _ in module.named_buffers()}
        runtime.from_main_(self.live.values())
        self.average = {k: v.clone() for k, v in self.live.items()} if fit.ema_decay > 0 else None

    def run(self) -> StageResult:
        """Train from where the folder stands to the end of the stage."""
        if self.stream is None:  # the weights are kept as they came: a blend, an average
            return self._finish()
        resumed = self.folder.resume.is_file()
        if resumed:
            unpack(self, load_state(self.folder.resume))
        start = self.number // self.length
        self.log.rewind(self.folder.name, start)
        self.progress.stage(self.folder.name, self.step.steps, self.number)
        if not resumed:
            self._checkpoint(0)
        for epoch in range(start, self.fit.epochs):
            if self.fit.patience and self.waited >= self.fit.patience:
                self.progress.note(f"{self.folder.name}: no better result for {self.waited} epochs, so it ends here")
                break
            self._epoch(epoch)
        return self._finish()

    def _epoch(self, epoch: int) -> None:
        assert self.stream is not None
        began, images, first = time.monotonic(), 0, self.number
        for module in self.task.modules.values():
            module.train()
        streams = self.task.streams.items()
        others = {name: repeat(stream, self.number) for name, stream in streams if name != self.first}
        waiting = Waiting(self.stream.epoch(epoch, start=self.number % self.length))
        for batch in waiting:
            batches = {self.first: batch, **{name: next(other) for name, other in others.items()}}
            self._one(epoch, batches)
            self.number += 1
            images += len(batch)
            self.progress.advance(len(batch) * self.runtime.world)
            every = self.fit.save_every_steps
            if self.number % self.length == 0:
                continue
            if every and self.number % every == 0:
                self._save()
            elif self.number % _LOOK_EVERY == 0:
                self._check(epoch)
        if self.number != (epoch + 1) * self.length:
            raise ValueError(f"stream {self.first!r} promised {self.length} batches, gave {self.number - first}")
        self._settle(epoch)
        row = self.tally.means(self.length)
        row |= {"images_per_second": images * self.runtime.world / max(time.monotonic() - began, 1e-9)}
        row |= {"data_seconds": waiting.seconds}
        row |= {"lr": self._rate(self.fit, self.number - 1), "steps": self.number - first}
        last = epoch + 1 == self.fit.epochs
        if "val" in self.task.evaluate and ((epoch + 1) % self.fit.evaluate_every == 0 or last):
            row |= self._select()
        self.log.write({"stage": self.folder.name, "epoch": epoch, "step": self.number, **row})
        self._checkpoint(epoch + 1)
        if self.fit.save_every_epochs and ((epoch + 1) % self.fit.save_every_epochs == 0 or last):
            self._write(save_state, self.folder.resume, pack(self))

    def _select(self) -> dict[str, float]:
        """Evaluate on the selection split, keep the weights if they are the best so far, return the log's values."""
        predictions = self._predict("val")
        self.metrics = summarise(predictions)
        row = {f"val/{name}": value for name, value in self.metrics.items()}
        value = self.metrics.get("accuracy", 0.0)
        if self.task.select is not None:
            row["val/selection"] = value = float(self.task.select(predictions))
        self.plateau.observe(value, self.fit.evaluate_every)
        self.waited = 0 if value > self.best else self.waited + self.fit.evaluate_every
        if value > self.best:
            self.best = value
            if self.fit.keep == "best":
                self._write(save_weights, self.folder.best, self._kept())
        return row

    def _one(self, epoch: int, batches: Mapping[str, Batch]) -> None:
        """Do one optimiser step."""
        self.step.begin(epoch, self.number)
        for name, optimizer in self.step.optimizers.items():
            set_learning_rate(optimizer, self._rate(self.fits[name], self.number))
        if self.task.update is not None:
            with self.runtime.autocast(self.fit.precision):
                found = self.task.update(batches, self.step)
            self._add(epoch, found, found.total, 1.0)
        else:
            parts = self.fit.accumulate
            for micro in zip(*(split(batch, parts) for batch in batches.values()), strict=True):
                with self.runtime.autocast(self.fit.precision):
                    found = self.task.objective(dict(zip(batches, micro, strict=True)), self.step)  # type: ignore[misc]
                    total = found.total
                self._add(epoch, found, total, 1 / parts)
                self.step.backward(total / parts)
            self.step.apply()
        if self.average is not None:
            ema_update_(self.average, self.live, self.fit.ema_decay)

    def _add(self, epoch: int, found: LossTerms, total: Tensor, share: float) -> None:
        position = self.number % self.length
        found = LossTerms(found.terms, {**found.observed, **self.step.observed()})
        self.tally.add(found, total, position, share)
        if self.runtime.device.type == "cpu":  # nothing to wait for, so a bad loss never reaches the weights
            self._check(epoch, position, position + 1)

    def _settle(self, epoch: int) -> None:
        """Stop if the state is not worth keeping; else make every process hold the same."""
        self._check(epoch)
        trained = [p for module in self.task.modules.values() for p in module.parameters() if p.requires_grad]
        if trained and not bool(torch.stack([p.detach().isfinite().all() for p in trained]).all()):
            raise not_finite(self, "a weight", self.number - 1)
        self.live = named_state(self.task.modules)  # a module may have put another tensor in a buffer's place
        kept = [value for key, value in (self.average or {}).items() if key in self.buffers]
        buffers = [value for module in self.task.modules.values() for value in module.buffers()]
        self.runtime.average_([*buffers, *kept], exact=True)
        self.tally.share_()

    def _check(self, epoch: int, *span: int) -> None:
        """Stop when a loss of this epoch (of its steps in ``span``) was not finite; name the batch."""
        position = self.tally.bad_step(*span)
        if position is not None:
            raise not_finite(self, "the loss", epoch * self.length + position)

    def _rate(self, fit: FitConfig, number: int) -> float:
        return learning_rate(fit, number, self.length) * (self.plateau.scale if fit.schedule == "plateau" else 1.0)

    def _predict(self, split: str, features: bool = False) -> Any:
        predict = self.task.predict or (lambda batch: average_views(self.task.modules[self.task.publish], batch))
        with self._averaged(), evaluation([*self.task.modules.values(), *self.task.references.values()]):
            stream = self.task.evaluate[split]
            return predict_stream(predict, stream, self.runtime, precision=self.fit.precision, features=features)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the averaged weights in for a while, where there are any."""
        if self.average is None:
            yield
            return
        raw = {key: value.clone() for key, value in self.live.items()}
        self.put(self.average)
        try:
            yield
        finally:
            self.put(raw)

    @torch.no_grad()
    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Copy ``weights`` (keys ``<module>/<parameter>``) into the modules in place."""
        for key, value in self.live.items():
            value.copy_(weights[key])

    def _kept(self) -> dict[str, Tensor]:
        return dict(self.live if self.average is None else self.average)

    def _write(self, write: Callable[..., None], *arguments: Any) -> None:
        if self.runtime.main:
            write(*arguments)
        self.runtime.wait()

    def _checkpoint(self, done: int) -> None:
        every = self.fit.checkpoint_every_epochs
        if not every or done % every:
            return
        path = self.folder.checkpoint(done)
        self._write(save_weights, path / "weights.safetensors", self._kept())
        if done and "val" in self.task.evaluate:
            self._write(write_predictions, path / "val.parquet", self._predict("val"))

    def _save(self) -> None:
        """Write a resume point inside an epoch."""
        self._settle(self.number // self.length)
        self._write(save_state, self.folder.resume, pack(self))

    def _finish(self) -> StageResult:
        """Keep the chosen weights, evaluate them once on every split, write the result last."""
        if self.fit.keep == "best" and self.folder.best.is_file():
            kept = load_weights(self.folder.best)
        else:
            kept = {key: value.clone() for key, value in self._kept().items()}
        self.put(kept)
        self.runtime.from_main_(self.live.values())
        self.average = None
        self._write(save_weights, self.folder.weights, kept)
        metrics: dict[str, float] = {}
        for name in self.task.evaluate:
            predictions = self._predict(name, self.fit.save_features)
            self._write(write_predictions, self.folder.predictions(name), predictions)
            metrics |= {f"{name}/{key}": value for key, value in summarise(predictions).items()}
        self._write(self.folder.finish, metrics, dict(self.task.describe), self.task.publish)
        return self.folder.result()
