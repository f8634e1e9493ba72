"""The command line: a table of commands, one module each; only the chosen one is imported.

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
from typing import Any, NamedTuple

from modelheir import interrupts
from modelheir.checks import InputError, nearest
from modelheir.printable import shorten
from modelheir.screen import PatientStream, say

__all__ = ["COMMANDS", "Command", "main"]

_FAULT = 70  #: as ``EX_SOFTWARE`` of sysexits.h
_MOST = 2000  #: characters of a message


class Command(NamedTuple):
    """A row of the table."""

    module: str  #: holds ``main(argv) -> int``
    summary: str
    example: str
    memory: str = "close other programs, or give it fewer rows or smaller files"  #: what to do where memory runs out


_FORWARD = "lower --batch_size, or make images smaller (--inputs.image_size)"

_TABLE: dict[str, dict[str, Command]] = {
    "Look around": {
        "demo": Command("modelheir.cli.demo", "train, update and judge on real digits, in minutes", "modelheir demo"),
        "methods": Command("modelheir.cli.methods", "which method for which situation", "modelheir methods"),
        "explain": Command(
            "modelheir.cli.explain", "one method: paper, settings, limits, files", "modelheir explain upgrade"
        ),
    },
    "Train the next version": {
        "train": Command(
            "modelheir.cli.train",
            "train by a method; run again, it resumes",
            "modelheir train upgrade --data folder:photos --old run:runs/v1 --out runs/v2",
            "lower the batch size (--fit.batch_size), raise --fit.accumulate, or make images smaller "
            "(--inputs.image_size)",
        ),
        "average": Command(
            "modelheir.cli.average",
            "one model of several fine-tunes, or of the snapshots along one training",
            "modelheir average run:runs/a run:runs/b run:runs/c --out runs/average",
            _FORWARD,
        ),
        "search": Command(
            "modelheir.cli.searching.search",
            "try settings of a method; the selection split decides",
            "modelheir search finetune --data folder:photos --search.fit.lr 0.001 0.003 0.01 --trials 6",
            "lower the batch size (--fit.batch_size), or make images smaller (--inputs.image_size)",
        ),
    },
    "Compare ways to use a past": {
        "bench": Command(
            "modelheir.cli.benching.bench",
            "run a benchmark cell by cell, and make its tables",
            "modelheir bench run seq-to-final --suite quick --out runs/bench",
            "lower the batch size or the networks in the suite's file",
        ),
        "plot": Command(
            "modelheir.cli.benching.plot",
            "pictures of what strategies do to a network",
            "modelheir plot interpolation runs/bench",
        ),
    },
    "Teach with large models": {
        "select": Command(
            "modelheir.cli.select",
            "the best of a pool of unlabelled images, without copies of what you evaluate on",
            "modelheir select --pool folder:pool --data folder:photos --teacher run:runs/v1 --out selected",
            _FORWARD,
        ),
        "cache": Command(
            "modelheir.cli.cache",
            "keep what teachers say of the training images",
            "modelheir cache write --teacher run:runs/large --data folder:photos --out teachers",
            _FORWARD,
        ),
    },
    "Learn from few labels": {
        "embed": Command(
            "modelheir.cli.embedding.embed",
            "keep what frozen encoders say of every image",
            "modelheir embed --data folder:photos --encoder encoder:dinov2 encoder:clip --out views",
            _FORWARD,
        ),
    },
    "Decide whether to ship it": {
        "compare": Command(
            "modelheir.cli.compare",
            "new mistakes, gains and the release gate",
            "modelheir compare runs/v1 runs/v2 --max-nfr 0.02 --html report.html",
        ),
        "report": Command(
            "modelheir.cli.report", "many runs on one page", "modelheir report runs/v1 runs/v2 --html runs.html"
        ),
    },
    "Use models": {
        "predict": Command(
            "modelheir.cli.predict",
            "run a model over a split",
            "modelheir predict run:runs/v2 --data folder:photos --out v2.parquet",
            _FORWARD,
        ),
        "evaluate": Command(
            "modelheir.cli.evaluate",
            "many models on one split, each run once",
            "modelheir evaluate runs/v1 runs/v2 --data folder:photos --old runs/v1",
            _FORWARD,
        ),
        "ensemble": Command(
            "modelheir.cli.ensemble",
            "average stored predictions",
            "modelheir ensemble both.parquet v1.parquet v2.parquet",
        ),
        "export": Command(
            "modelheir.cli.export",
            "write ONNX and safetensors, checked against the model",
            "modelheir export runs/v2 --to onnx,safetensors",
        ),
        "copy": Command(
            "modelheir.cli.copy",
            "fetch or publish a run folder or file (s3://, gs://, paths)",
            "modelheir copy s3://bucket/v1 runs/v1",
        ),
        "import": Command(
            "modelheir.cli.import_results",
            "read .result and .pth.tar files of older tools",
            "modelheir import old.result --out old.parquet",
        ),
    },
}

COMMANDS: dict[str, Command] = {name: command for group in _TABLE.values() for name, command in group.items()}


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
    for group, commands in _TABLE.items():
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
