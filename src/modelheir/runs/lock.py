"""One writer at a time: a lock on a file, which dies with the process, so that a killed run never blocks the next."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["locked"]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, which is made if it is not there.

    Raises:
        BlockingIOError: If another process holds it.
        OSError: If it cannot be made.
    """
    with path.open("a") as handle:
        _lock(handle)
        yield


def _lock(handle: IO[str]) -> None:
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
