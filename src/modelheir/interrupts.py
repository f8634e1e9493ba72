"""SIGINT and SIGTERM: the first asks a command to end, training after its step; the next ends the process at once.

Signals belong to the whole process, and so does what is known of them here. A program that calls the library keeps its
own handlers: only the command line is :func:`listening`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["LOST", "PeerLost", "Stopped", "asked", "held", "hush", "last_words", "listening"]

LOST = 75  #: exit code where another process was lost: EX_TEMPFAIL of sysexits.h, try again

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end; ``code`` is its exit code then, 128 and the signal's number."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class PeerLost(RuntimeError):
    """Another process of the run ended without a word; the message is a sentence for the user."""


class _Now:
    number = 0  #: the first signal; 0: none yet
    held = 0  #: contexts in which the first signal waits
    last_words: list[Callable[[], object]] = []  # noqa: RUF012 - of the process, as its signals are


def asked() -> int:
    """Return the signal that asked this process to end, or 0."""
    return _Now.number


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Take SIGINT and SIGTERM; what the shell told the process to ignore stays ignored.

    Once one has come, the process is about to end, and further ones change nothing any more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Now.number = _Now.held = 0
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in taken:
        signal.signal(number, _receive)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_IGN if _Now.number else before[number])


@contextlib.contextmanager
def held() -> Iterator[Callable[[], int]]:
    """Let a first signal wait until the body asks what it is handed, and can end; at the latest until its end."""
    _Now.held += 1
    try:
        yield asked
    finally:
        _Now.held -= 1
    if _Now.number and not _Now.held:
        raise Stopped(_Now.number)


def hush() -> None:
    """Let a first signal raise nothing from now on: the process is about to end, and has something to say."""
    _Now.held += 1


@contextlib.contextmanager
def last_words(say: Callable[[], object]) -> Iterator[None]:
    """Have ``say`` called if the process ends at once; it must be short, and may find anything half done."""
    _Now.last_words.append(say)
    try:
        yield
    finally:
        _Now.last_words.remove(say)


def _receive(number: int, frame: FrameType | None) -> None:
    if _Now.number:
        _leave()
    _Now.number = number
    if not _Now.held:
        raise Stopped(number)


def _leave() -> None:
    for say in reversed(_Now.last_words):
        with contextlib.suppress(Exception):
            say()
    with contextlib.suppress(Exception):
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h\n")  # a progress bar hides the cursor
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(128 + _Now.number)
