"""One writer at a time: a lock on a file, which dies with the process, so that a killed run never blocks the next.

And which process that is, and whether it has died: so that a run that was killed is not said to be running.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

__all__ = ["has_died", "locked", "this_process"]


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


def this_process() -> dict[str, Any]:
    """Return what tells this process from any other: ``machine``, ``pid``, and ``started``, in clock ticks."""
    return {"machine": _machine(), "pid": os.getpid(), "started": (_look(os.getpid()) or ("", ""))[1]}


def has_died(process: Any) -> bool:
    """Tell whether a process that :func:`this_process` described ran on this machine and is no more.

    A process of another machine, of another container, or of a system that does not tell, may be alive: ``False``.
    """
    if not isinstance(process, Mapping) or process.get("machine") != _machine():
        return False
    pid = process.get("pid")
    if not isinstance(pid, int) or pid < 1:
        return False
    if Path("/proc/self/stat").exists():
        found = _look(pid)
        return found is None or found[0] in ("Z", "X") or found[1] != process.get("started")
    if os.name == "nt":  # where signal 0 is no question
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    return False


def _look(pid: int) -> tuple[str, str] | None:
    """Return state and start of a process on Linux; ``None`` where there is none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = told.rpartition(")")[2].split()  # the name before may hold blanks and brackets
    return fields[0], fields[19]


@functools.cache
def _machine() -> str:
    """Return a name for the room in which process numbers mean something: host, boot and container."""
    names = [socket.gethostname()]
    with contextlib.suppress(OSError):
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip())
    with contextlib.suppress(OSError):
        names.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(names)
