"""What a command writes: never one of the files that it reads, nor a file of a run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from modelheir import runs
from modelheir.checks import InputError

__all__ = ["check_outputs", "page_files"]


def page_files(page: Path) -> tuple[Path, Path]:
    """Return the page and the table that is written beside it, ``X.table.csv``.

    >>> page_files(Path("v2.html"))[1].name
    'v2.table.csv'

    Raises:
        InputError: If the page's name does not end in .html or .htm.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--html {page}: the page's name must end in .html.")
    return page, page.with_suffix(".table.csv")  # X.csv may well be somebody's predictions


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is read or a run's, whatever the way to it (``..``, links), or one file twice.

    Nor does it let pass what could not be written after all the work: a folder that is closed, or none.

    Raises:
        InputError: With the two names.
    """
    taken = {place.resolve(): f"{place}, which is read" for place in inputs}
    for output in outputs:
        place, run = output.resolve(), runs.owner_of(output)
        if run is not None:
            raise InputError(f"writing {output} would replace a file of the run in {run}: choose another name.")
        if place in taken:
            raise InputError(f"writing {output} would replace {taken[place]}: choose another name.")
        taken[place] = f"{output}, which is written too"
        _require_writable(output)


def _require_writable(output: Path) -> None:
    """Refuse a place that is no file, lies below none that is a folder, or in one that may not be written."""
    if os.path.lexists(output) and not output.is_file():
        raise InputError(f"cannot write {output}: what has that name is no file. Choose another name.")
    folder = next(parent for parent in output.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise InputError(f"cannot write {output}: {folder} is no folder. Choose another place.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {output}: {folder} may not be written. Choose another place.")
