"""A folder of pictures: only what it says are its own files are written over.

``pictures.json`` names them. A name is put there before its file is written, so that a killed command leaves nothing
that the same command would then refuse; every file is whole or absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from modelheir.assemble.destination import check_not_data
from modelheir.checks import InputError
from modelheir.report.figures.standalone import write_figure
from modelheir.runs.files import read_json, write_json
from modelheir.runs.outputs import check_outputs

__all__ = ["PictureFolder", "file_name"]

_LIST, _KEY = "pictures.json", "modelheir pictures"


class PictureFolder:
    """Where pictures go.

    Args:
        path: Of the folder, which need not be there.
        data: What is read, so that nothing is written into it.
    """

    def __init__(self, path: Path, data: Sequence[str] = ()) -> None:
        self.path = path
        for address in data:
            check_not_data(path, address)
        if path.exists() and not path.is_dir():
            raise InputError(f"--out {path} is a file: give a folder.")
        self._own = self._read()

    def accept(self, names: Sequence[str]) -> None:
        """Refuse names that would write over a file of something else, before anything is drawn.

        Args:
            names: Of the pictures, without an ending; each has a table beside it.

        Raises:
            InputError: With the first file that is not a picture of this folder's, or is a run's.
        """
        files = [f"{name}.{ending}" for name in names for ending in ("svg", "csv")]
        check_outputs([self.path / name for name in (*files, _LIST)], [])
        for name in files:
            if (self.path / name).exists() and name not in self._own:
                raise InputError(
                    f"{self.path / name} is there already and not a picture that this command made: give another --out."
                )

    def write(self, name: str, picture: Markup, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Path:
        """Write a picture and its table; return the picture's path."""
        self.accept([name])
        self._own = sorted({*self._own, f"{name}.svg", f"{name}.csv"})
        write_json(self.path / _LIST, {_KEY: self._own})
        return write_figure(self.path / f"{name}.svg", picture, rows, columns)

    def _read(self) -> list[str]:
        place = self.path / _LIST
        if not place.exists():
            return []
        try:
            found = read_json(place)
        except (InputError, ValueError, OSError):
            found = None
        if not isinstance(found, dict) or not isinstance(found.get(_KEY), list):
            raise InputError(f"{place} is not the list of a folder of pictures: give another --out.")
        return [str(name) for name in found[_KEY]]


def file_name(*parts: str) -> str:
    r"""Return a name for a file that tells what it is of, whatever characters its parts have.

    >>> file_name("projection", "a/b\n..", "Conv-4")
    'projection_a_b_.._Conv-4'
    """
    return "_".join(re.sub(r"[^\w.-]+", "_", part)[:60] for part in parts if part)
