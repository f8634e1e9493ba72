"""Snapshots of the weights along a training: copied in the loop, written by a thread beside it, read back by step.

A few copies at most are in memory: where the disk is slower than the training, the training waits for it.
A resume point waits until every snapshot before it is on disk, and a resumed run drops those that came after it, to
write them again; so what a stage leaves is the same whether it was interrupted or not. With several processes the
buffers inside an epoch are the main process's.

The end of the stage is one of them whatever the spacing, so that a training can be gone on with from its last weights
where ``fit.keep`` keeps the best.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from modelheir.config.fit import SnapshotConfig
from modelheir.runs.snapshots import encode, write_header
from modelheir.runs.stage import StageFolder
from modelheir.runs.tensors import save_weights

__all__ = ["Snapshots"]

_IN_FLIGHT = 2  #: copies in memory: the one that is written, and one that waits


class Snapshots:
    """The snapshots of one stage.

    Args:
        folder: Of the stage.
        config: When, how many, and in which type.
        length: Steps an epoch.
        main: Whether this process writes; the others do nothing.
    """

    def __init__(self, folder: StageFolder, config: SnapshotConfig, *, length: int, main: bool) -> None:
        self.folder, self.config, self.length = folder, config, length
        self.on = main and config.on
        self._places = {length * part // config.per_epoch for part in range(1, config.per_epoch + 1)}  # in an epoch
        self._waiting: queue.Queue[tuple[int, dict[str, Tensor], list[str]] | None] = queue.Queue()
        self._room = threading.Semaphore(_IN_FLIGHT)  # taken before a copy is made, given back when it is written
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def due(self, number: int, *, last: bool = False) -> bool:
        """Tell whether the weights after ``number`` steps, the ``last`` ones or not, are one of the snapshots."""
        config = self.config
        if not self.on or number < config.start_epoch * self.length:
            return False
        if last or number == 0:
            return True
        steps, epochs = config.every_steps, config.every_epochs * self.length
        evenly = bool(self._places) and ((number - 1) % self.length + 1) in self._places
        return evenly or bool((steps and number % steps == 0) or (epochs and number % epochs == 0))

    def take(self, number: int, weights: Mapping[str, Tensor], trained: Collection[str]) -> None:
        """Copy the weights after ``number`` steps, once there is room for a copy, and go on; the thread writes them.

        Args:
            number: Optimiser steps done.
            weights: Of all modules, keys ``<module>/<parameter>``.
            trained: Those of the keys that the training moves by gradients.

        Raises:
            InputError: If an earlier snapshot could not be written.
        """
        self._room.acquire()
        self._raise()
        kind = torch.bfloat16 if self.config.dtype == "bf16" else None
        copies = {
            key: value.detach().to("cpu", kind if value.is_floating_point() else None, copy=True)
            for key, value in weights.items()
            if self.config.parameters == "all" or key in trained
        }
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="snapshots", daemon=True)
            self._thread.start()
        self._waiting.put((number, copies, [key for key in weights if key in trained]))

    def flush(self) -> None:
        """Wait until all snapshots so far are on disk."""
        self._waiting.join()
        self._raise()

    def close(self) -> None:
        """Let the thread write what waits, and end it."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def rewind(self, number: int) -> None:
        """Drop the snapshots after step ``number``: they are about to be written again."""
        if self.on:
            for step, path in self.folder.snapshots():
                if step > number:
                    path.unlink()

    def _write(self) -> None:
        while True:
            found = self._waiting.get()
            if found is None:
                self._waiting.task_done()
                return
            try:
                if self._error is None:
                    number, weights, trained = found
                    weights = encode(weights) if self.config.dtype == "int8" else weights
                    save_weights(self.folder.snapshot(number), weights, write_header(trained))
                    del weights
                    keep = self.config.keep
                    for _, path in self.folder.snapshots()[:-keep] if keep else ():
                        path.unlink()
            except Exception as error:  # told to the loop, which raises it
                self._error = error
            finally:
                del found  # so that the copy's memory is free before there is room for another
                self._room.release()
                self._waiting.task_done()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
