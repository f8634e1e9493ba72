"""Where the predictions of models lie: files as they are, run folders by split; and what to call each model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder

__all__ = ["find_files", "short_names"]


def find_files(places: Sequence[Path], split: str | None) -> tuple[list[Path], str]:
    """Find the file of predictions of each place; run folders all give the same split."""
    folders = [place for place in places if place.is_dir()]

    def file(folder: Path, name: str) -> Path:
        return RunFolder(folder).predictions(name)

    wanted = [split] if split else ["test", "val"]
    name = next((name for name in wanted if all(file(folder, name).is_file() for folder in folders)), None)
    if folders and name is None:
        poor = next(folder for folder in folders if not file(folder, wanted[0]).is_file())
        kept = sorted(path.stem for path in (poor / "predictions").glob("*.parquet"))
        has = f"it has only {', '.join(kept)}" if kept else "it has none: make some with `modelheir predict`"
        raise InputError(f"{poor} has no predictions of {' or '.join(wanted)} that can be compared; {has}.")
    note = (
        "run folders have no predictions on test, so val is compared" if folders and not split and name == "val" else ""
    )
    return [file(place, name) if place.is_dir() and name else place for place in places], note


def short_names(places: Sequence[Path]) -> list[str]:
    """Call each model by its folder or file, or by the whole path where that is not unique."""
    short = [place.name if place.is_dir() else place.stem for place in places]
    whole = [str(place) for place in places]
    names = [name if short.count(name) == 1 and name else path for name, path in zip(short, whole, strict=True)]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({number + 1})" for number, name in enumerate(names)]  # a file against itself
