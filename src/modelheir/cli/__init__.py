"""The command line: of the table of commands only the chosen one is imported.

Exit codes: 0 done (for ``compare``: ship), 1 hold, 2 bad input, 3 not enough images to tell, 70 a fault of
the program (the traceback is kept in a file of its own), 75 another process of the run was lost, 130 interrupted
(143: by SIGTERM).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from modelheir import interrupts
from modelheir.checks import InputError, nearest
from modelheir.cli.commands import COMMANDS, TABLE, Command
from modelheir.printable import shorten
from modelheir.screen import PatientStream, say

__all__ = ["COMMANDS", "Command", "main"]

_FAULT = 70  #: as ``EX_SOFTWARE`` of sysexits.h
_MOST = 2000  #: characters of a message


def main(argv: Sequence[str] | None = None, *, commands: Mapping[str, Command] = COMMANDS) -> int:
    """Run one command and return its exit code.

    Args:
        argv: Words after ``modelheir``; ``None`` takes the process's own.
        commands: The table to choose from.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) > 1 and words[0] == "help":
            return main([words[1], "--help"], commands=commands)
        say(*_overview().split("\n"))
        return 0
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        say(f"modelheir {version('modelheir')}")
        return 0
    name, rest = words[0], words[1:]
    if name not in commands:
        return _fail("", f"unknown command {name!r}.{nearest(name, commands)} `modelheir --help` lists all.")
    return _run(name, commands[name], rest)


def _run(name: str, command: Command, argv: list[str]) -> int:
    out: Any = PatientStream(sys.stdout)
    err: Any = PatientStream(sys.stderr)
    with interrupts.listening(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            return _guarded(name, command, argv)
        finally:
            out.flush()  # what is left in the buffer would be Python's to write, and to complain of


def _guarded(name: str, command: Command, argv: list[str]) -> int:
    """Run a command; a mistake of the user becomes one sentence and code 2, a fault of ours one sentence and 70."""
    show_trace = os.environ.get("MODELHEIR_TRACEBACK", "") not in ("", "0")
    try:
        return int(importlib.import_module(command.module).main(argv) or 0)
    except KeyboardInterrupt as error:
        say("", f"modelheir {name}: stopped; run the same command again to resume.", error=True)
        return getattr(error, "code", 130)
    except interrupts.PeerLost as error:
        _fail(name, str(error))
        return interrupts.LOST
    except Exception as error:
        if show_trace:
            raise
        if isinstance(error, InputError):
            return _fail(name, str(error))
        if interrupts.asked():  # a signal in the middle of an import comes out as something else
            say("", f"modelheir {name}: stopped; run the same command again to resume.", error=True)
            return 128 + interrupts.asked()
        if isinstance(error, OSError) and error.filename is not None:
            return _fail(name, f"{error.filename}: {(error.strerror or 'cannot be used').lower()}.")
        if _is_memory(error):
            return _fail(name, f"out of memory: {command.memory}.")
        return _fault(name, error)


def _fault(name: str, error: Exception) -> int:
    """Say in one sentence that the program failed; the traceback goes into a private file, not before the user."""
    what = type(error).__name__ + (f": {shorten(str(error), 200)}" if str(error) else "")
    try:
        handle, path = tempfile.mkstemp(prefix="modelheir-", suffix=".txt")  # readable by its owner alone
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as kept:
            traceback.print_exception(error, file=kept)
        where = f"the traceback is in {path}"
    except OSError as unwritten:
        where = f"the traceback could not be kept ({unwritten.strerror}); MODELHEIR_TRACEBACK=1 shows it"
    _fail(name, f"a fault of the program, not an answer ({what}); {where}: please report it with that text.")
    return _FAULT


def _is_memory(error: Exception) -> bool:
    """Tell whether memory ran out; on the CPU torch says so in words alone."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def _fail(name: str, text: str) -> int:
    where = f"modelheir {name}" if name else "modelheir"
    say(shorten(f"{where}: {' '.join(text.split())}", _MOST), error=True)
    return 2


def _overview() -> str:
    lines = [
        "modelheir trains the next version of an image classifier and says whether it is safe to ship.",
        "\nusage: modelheir COMMAND [--help] ...",
    ]
    for group, commands in TABLE.items():
        lines += ["", group]
        for name, command in commands.items():
            lines += [f"  {name:<9} {command.summary}", f"            $ {command.example}"]
    lines += [
        "",
        "`modelheir COMMAND --help` tells a command's options; `modelheir --version` the version.",
        "What trains or runs models needs the extra `train`: pip install 'modelheir[train]'.",
        "Exit codes: 0 done, or the gate says ship; 1 hold; 2 bad input; 3 not enough images for the gate;",
        "70 a fault of the program, 75 another process of the run was lost, 130 interrupted (143: by SIGTERM).",
    ]
    return "\n".join(lines)
