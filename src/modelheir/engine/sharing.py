"""A finished stage, the same on every process: what a process does not see on its own disk, the main one sends."""

from __future__ import annotations

import functools
from pathlib import Path

import torch

from modelheir.inference.runtime import Runtime
from modelheir.runs.files import replace_file
from modelheir.runs.seal import digest
from modelheir.runs.stage import StageFolder
from modelheir.types import StageResult

__all__ = ["shared_result"]


def shared_result(folder: StageFolder, runtime: Runtime) -> StageResult:
    """Return the result of a stage that is finished on the main process.

    Processes may see other disks, or another run on theirs: each compares what it has with the main process's, and
    what anyone lacks is sent, the result last. Where all see one disk, only digests travel.

    Raises:
        InputError: If the result is damaged, or cannot be written.
    """
    if runtime.world > 1:
        own = _digests(folder)
        wanted = runtime.by_main(lambda: own)
        lacks = torch.tensor([float(own.get(name) != digest) for name, digest in wanted.items()], device=runtime.device)
        absent = lacks.tolist()
        runtime.average_([lacks])
        for name, anyone, here in zip(wanted, lacks.tolist(), absent, strict=True):
            if anyone:
                content = runtime.by_main((folder.path / name).read_bytes)
                if here:
                    replace_file(folder.path / name, functools.partial(_put, content))
        for name in set(own) - set(wanted):  # of another run
            (folder.path / name).unlink(missing_ok=True)
        runtime.wait()
    return folder.result()


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _digests(folder: StageFolder) -> dict[str, str]:
    """Return the SHA-256 of what a result is read from, by name in the folder, the result itself last."""
    found = [folder.weights, *(path for _, path in folder.snapshots())]
    found += [*sorted(folder.predictions("x").parent.glob("*.parquet")), folder.summary]
    return {path.relative_to(folder.path).as_posix(): digest(path) for path in found if path.is_file()}
