"""What a command writes: never one of the files that it reads, nor a file of a run."""

from __future__ import annotations

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
