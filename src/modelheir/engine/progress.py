"""What a person watches: a bar with the time left and how the last epoch went; plain lines where there is no terminal.

Counts are plain integers and the screen is touched at most a few times a second, so a step costs well under a
microsecond's worth of arithmetic and never waits for the device.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from modelheir.printable import printable

if TYPE_CHECKING:
    from modelheir.types import Progress

__all__ = ["BarProgress", "LineProgress", "SilentProgress", "clock", "make_progress"]


class SilentProgress:
    """Says nothing (``--quiet``, and every process but the first)."""

    def stage(self, name: str, steps: int, done: int = 0) -> None:
        """Ignore the stage."""

    def advance(self, images: int) -> None:
        """Ignore the step."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Ignore the row."""

    def note(self, text: str) -> None:
        """Ignore the line."""

    def close(self) -> None:
        """Nothing is open."""


class _Counting:
    """Steps and images of the current stage, shown when ``every`` seconds have passed."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.name, self.steps, self.number, self.first, self.images = "", 0, 0, 0, 0
        self.began = self.shown = 0.0
        self.last: dict[str, float] = {}

    def stage(self, name: str, steps: int, done: int = 0) -> None:
        """Begin a stage of ``steps`` steps, ``done`` of them behind us; 0 steps is an unknown number."""
        self.close()
        self.name, self.steps, self.number, self.first, self.images = printable(name), steps, done, done, 0
        self.began = self.shown = time.monotonic()
        self.last = {}
        self.begin()

    def advance(self, images: int) -> None:
        """Count one step over ``images`` images."""
        self.number += 1
        self.images += images
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            self.show()

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Keep the loss, and the accuracy where it was looked at, which is not in every epoch."""
        self.last |= {name: row[name] for name in ("loss", "val/accuracy") if name in row}

    @property
    def results(self) -> list[str]:
        """What the last epoch came to, in words; nothing before the first ends."""
        loss, accuracy = self.last.get("loss"), self.last.get("val/accuracy")
        return [
            *([] if loss is None else [f"loss {loss:.4g}"]),
            *([] if accuracy is None else [f"val accuracy {accuracy:.1%}"]),
        ]

    @property
    def rate(self) -> float:
        """Images a second in this stage, in this process's lifetime."""
        return self.images / max(time.monotonic() - self.began, 1e-9)

    @property
    def left(self) -> float | None:
        """Seconds left in this stage at the pace so far; ``None`` while that is unknown."""
        done = self.number - self.first
        if not self.steps or not done:
            return None
        return (time.monotonic() - self.began) / done * max(self.steps - self.number, 0)

    def _rate(self) -> str:
        return f"{self.rate:,.0f} images/s"

    def begin(self) -> None:
        """Show that a stage begins."""

    def show(self) -> None:
        """Show where the stage stands."""

    def close(self) -> None:
        """End the stage."""


class LineProgress(_Counting):
    """One plain line every few seconds, for logs and pipes; where the pipe's reader has left, nothing from then on.

    Args:
        stream: Where lines go.
        every: Seconds between lines.
    """

    def __init__(self, stream: IO[str] | None = None, every: float = 5.0) -> None:
        super().__init__(every)
        self.stream = stream or sys.stderr

    def begin(self) -> None:
        """Say that a stage begins, and where it resumes."""
        resumed = f", going on after step {self.first:,}" if self.first else ""
        self.note(f"{self.name}: {_steps(self.steps)}{resumed}" if self.steps else self.name)

    def show(self) -> None:
        """Print step, share, images a second, the time left and the results of the last epoch."""
        share = f"/{self.steps:,} ({self.number / self.steps:.0%})" if self.steps else ""
        left = [f"{clock(self.left)} left"] if self.left is not None else []
        self.note(", ".join([f"{self.name}: step {self.number:,}{share}", self._rate(), *left, *self.results]))

    def note(self, text: str) -> None:
        """Print one line."""
        try:
            print(printable(text), file=self.stream, flush=True)
        except BrokenPipeError:  # the reader (head, a pager) left; whatever is still said there goes nowhere
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def close(self) -> None:
        """Print what the stage took."""
        if self.name and self.number > self.first:
            took = clock(time.monotonic() - self.began)
            what = f"{self.name}: {_steps(self.number - self.first)} in {took}"
            self.note(", ".join([what, self._rate(), *self.results]))
        self.name = ""


class BarProgress(_Counting):
    """A rich bar for terminals."""

    def __init__(self, console: Any = None, every: float = 0.1) -> None:
        from rich import progress
        from rich.console import Console

        super().__init__(every)
        self.console = console or Console(stderr=True)
        self.bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}", markup=False),
            progress.TextColumn("{task.fields[eta]}", markup=False),
            progress.TextColumn("{task.fields[results]}", markup=False),
            console=self.console,
            auto_refresh=False,
        )
        self.task: Any = None
        self.bars.start()

    def begin(self) -> None:
        """Add the stage's bar."""
        total = self.steps or None
        self.task = self.bars.add_task(self.name, total=total, completed=self.first, rate="", eta="", results="")
        self.bars.refresh()

    def show(self) -> None:
        """Move the bar."""
        eta = f"{clock(self.left)} left" if self.left is not None and self.number < self.steps else ""
        results = ", ".join(self.results)
        self.bars.update(self.task, completed=self.number, rate=self._rate(), eta=eta, results=results)
        self.bars.refresh()

    def note(self, text: str) -> None:
        """Print one line above the bars."""
        self.console.print(printable(text), markup=False, highlight=False)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.task is not None:
            self.show()
            self.task = None

    def stop(self) -> None:
        """Give the terminal back."""
        self.close()
        self.bars.stop()


def _steps(count: int) -> str:
    return f"{count:,} step" if count == 1 else f"{count:,} steps"


def clock(seconds: float) -> str:
    """Write seconds as minutes and seconds, or hours too.

    >>> clock(75), clock(3661.4)
    ('1:15', '1:01:01')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


@contextlib.contextmanager
def make_progress(*, quiet: bool = False, stream: IO[str] | None = None) -> Iterator[Progress]:
    """Yield the progress that suits where the output goes; it is closed whatever happens.

    Args:
        quiet: Say nothing at all.
        stream: Where to write; ``None`` is standard error.
    """
    target = stream or sys.stderr
    if quiet:
        yield SilentProgress()
    elif target.isatty():
        from rich.console import Console

        bars = BarProgress(Console(file=target))
        try:
            yield bars
        finally:
            bars.stop()
    else:
        lines = LineProgress(target)
        try:
            yield lines
        finally:
            lines.close()
