"""Whether a run may write where it was told to: not over the user's own files, its data, or an old model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from modelheir.address import parse_data
from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder

__all__ = ["check_destination", "check_not_data"]


def check_destination(folder: RunFolder, data: Sequence[str], models: Sequence[str]) -> None:
    """Refuse a run folder that would harm what is there, before anything is written.

    Args:
        folder: Where the run is to write.
        data: The data sources, such as ``folder:photos``.
        models: The old models, and others that are read.

    Raises:
        InputError: If the folder holds files that no run wrote; lies in the data's folder, or the data in it; or holds
            such a model.
    """
    for one in data:
        check_not_data(folder.path, one)
    out = folder.path.resolve()
    for spec in models:
        text = spec.partition("#")[0].removeprefix("run:").removeprefix("file:").removeprefix("cache:")
        places = [Path(text), Path(text.rpartition(":")[0] or text)]  # file:PATH:MODEL
        if any(_exists(place) and place.resolve().is_relative_to(out) for place in places):
            raise InputError(f"--out {folder.path} holds the model {spec}: give another --out.")
    folder.accept()


def check_not_data(out: Path, data: str) -> None:
    """Refuse to write a file or folder into a folder that is read as data, over a data file, or around one.

    Raises:
        InputError: With the two places.
    """
    for place in filter(_exists, _read(data)):
        inside = place.is_dir() and out.resolve().is_relative_to(place.resolve())
        if inside or place.resolve().is_relative_to(out.resolve()):
            where = "lies in" if inside and out.resolve() != place.resolve() else "is, or holds,"
            raise InputError(f"--out {out} {where} the data {place}: choose a place outside the data.")


def _read(data: str) -> list[Path]:
    """Return the files and folders that a data source on this machine reads whole, whether they are there or not."""
    read = parse_data(data)
    if read.kind not in ("folder", "parquet", "list", "manifest", "cifar10", "cifar100", "portraits"):
        return []
    more = [value for key, value in read.options.items() if key != "root"] if read.kind == "list" else []
    return [Path(text) for text in (read.place, *more) if text]


def _exists(place: Path) -> bool:
    return os.path.exists(place)  # noqa: PTH110 - a name that is too long does not exist either
