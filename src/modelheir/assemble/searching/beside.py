"""Further processes that search in the same folder, started by one of them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

__all__ = ["beside"]


@contextlib.contextmanager
def beside(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """Run commands beside the body, and wait for them after it; where the body fails, they are told to end.

    What they print is left out, what they say of their progress and of errors is shown. One that fails, or is killed,
    stops nothing: who is left takes its trial up again.

    Args:
        commands: Words of each.

    Example:
        >>> import sys
        >>> with beside([[sys.executable, "-c", "print(1)"]]):
        ...     pass
    """
    running = [  # each in a session of its own: Ctrl-C reaches this process alone, which tells them once
        subprocess.Popen(list(one), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        for one in commands
    ]
    try:
        yield
        for one in running:
            one.wait()
    except BaseException:
        for one in running:
            one.terminate()
        for one in running:
            one.wait()
        raise
