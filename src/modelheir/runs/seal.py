"""The seal of a finished run: which files it left and what they held, so that a damaged one is named, not used."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder

__all__ = ["check_seal", "digest", "seal"]


def seal(folder: RunFolder) -> dict[str, str]:
    """Return the files of a run that is done.

    Returns:
        Name in the folder -> SHA-256 of the content in hexadecimal digits for what the run found out; "" for settings
        and logs, which only must not be empty.
    """
    told = [folder.config, folder.environment, folder.metrics, folder.metrics.with_suffix(".csv")]
    return {
        **{_name(folder, path): digest(path) for path in _found_out(folder)},
        **{_name(folder, path): "" for path in told if path.is_file() and path.stat().st_size},
    }


def check_seal(folder: RunFolder) -> None:
    """Refuse a finished run with a file that is gone, empty or another; a run that is not finished has no seal.

    Raises:
        InputError: Names the first such file. Runs of versions that wrote no seal need their model and result.
    """
    status = folder.status()
    if status.get("state") != "finished":
        return
    files: Any = status.get("files")
    if not isinstance(files, dict):
        files = {_name(folder, path): "" for path in (folder.model, folder.weights, folder.result)}
    for name, wanted in files.items():
        path = folder.path / name
        if not path.is_file():
            what = "is missing"
        elif not path.stat().st_size:
            what = "is empty"
        elif wanted and wanted != digest(path):
            what = "is not what the run wrote"
        else:
            continue
        raise InputError(
            f"{path} {what}, so the finished run in {folder.path} is damaged: restore the file from a copy, or "
            "move the folder away and train again."
        )


def _found_out(folder: RunFolder) -> list[Path]:
    kept = sorted(folder.predictions("x").parent.glob("*.parquet"))
    model = [folder.model] if folder.model.is_file() else []  # absent where several modules predict together
    return [*model, folder.weights, folder.result, *kept]


def _name(folder: RunFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
