"""A comparison of models as a user names them: what is read, joined and replayed for it, and what is remembered."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from modelheir import analysis, runs
from modelheir.address import predictions_place
from modelheir.analysis.comparison import Comparison
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.analysis.replay import broken
from modelheir.checks import InputError
from modelheir.printable import printable
from modelheir.runs.by_id.metadata import read_metadata
from modelheir.runs.by_id.remembered import add_remembered, read_remembered
from modelheir.runs.outputs import check_outputs
from modelheir.types import Predictions

__all__ = ["Compared", "Source", "compare_models", "find_sources"]


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Where one model's predictions are: in a file, or given as they are."""

    name: str  #: the file, or ``model 2`` or ``the new table`` where predictions or a table were given
    place: Path | None = None  #: the run folder or file that was named
    file: Path | None = None
    given: Any = None  #: predictions, or what :func:`~modelheir.runs.predictions.take_predictions` takes

    def read(self, *, classes: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> Predictions:
        """Return the predictions; see :func:`~modelheir.runs.predictions.read_predictions`."""
        if isinstance(self.given, Predictions):
            return self.given
        if self.file is None:
            return runs.take_predictions(self.given, self.name, columns=columns)
        return runs.read_predictions(self.file, classes=classes, columns=columns)

    @property
    def release(self) -> tuple[str, str]:
        """Short name and file, as a list of remembered images writes them; empty where predictions were given."""
        return (printable(runs.short_names([self.place])[0]), printable(self.name)) if self.place else ("", "")


class Compared(NamedTuple):
    """A comparison and what it was made of."""

    result: Comparison
    sources: list[Source]  #: old, new, and the further models
    old: Predictions
    new: Predictions
    remembered: tuple[int, int]  #: images that were added to the list, and that it has


def find_sources(models: Sequence[Any], split: str | None, *, called: Sequence[str] = ()) -> tuple[list[Source], str]:
    """Find the predictions of models; nothing is read yet.

    Args:
        models: Run folders, files of predictions, predictions, or tables of them.
        split: Split to take from run folders; ``None`` takes test, else val.
        called: What to call tables, a name a model; ``()`` numbers them.

    Returns:
        One source a model, and a note where another split than usual was taken.

    Raises:
        InputError: If a run folder has no such predictions.
    """
    places = [predictions_place(str(one)) if isinstance(one, str | PathLike) else None for one in models]
    paths, note = runs.find_files([place for place in places if place is not None], split)
    files = iter(paths)
    found = []
    for number, (one, place) in enumerate(zip(models, places, strict=True)):
        if place is not None:
            file = next(files)
            found.append(Source(str(file), place, file))
        elif isinstance(one, Predictions):
            found.append(Source(f"model {number + 1}", given=one))
        else:
            found.append(Source(called[number] if called else f"table {number + 1}", given=one))
    return found, note


def compare_models(
    models: Sequence[Any],
    *,
    gate: GateConfig,
    slices: Sequence[str] = (),
    columns: Path | str | None = None,
    replay: Path | str | None = None,
    remember: Path | str | None = None,
    find_slices: bool = False,
    features: Path | str | None = None,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    errors_of: str = "new",
    correction: str = "holm",
    max_flips: int | None = None,
    outputs: Iterable[Path] = (),
    inputs: Iterable[Path] = (),
) -> Compared:
    """Read, compare, and remember what the new model broke.

    Args:
        models: The old model, the new one, and further ones for the plane.
        gate: The bounds.
        slices: Columns to slice by.
        columns: Table of metadata that has some of them.
        replay: List of images that earlier releases broke; where it is the file of ``remember`` it need not be there.
        remember: List that the images which the new model broke are added to, whatever the verdict.
        find_slices: Look for groups that nobody named.
        features: File of features for that; ``None`` takes those of the new model's predictions, else the old one's.
        split: As of :func:`find_sources`.
        classes: Class names by number, for files without them.
        errors_of: As of :func:`~modelheir.analysis.compare.compare`, and so the next two.
        correction: Of p-values.
        max_flips: Sample ids listed.
        outputs: Files that the caller writes.
        inputs: Further files that were read.

    Raises:
        InputError: If the models cannot be compared, a table or list is none, or an output would replace an input.
    """
    if columns and not slices:
        raise InputError(f"{columns} holds columns to slice by: name one to slice by (--slice COLUMN).")
    sources, note = find_sources(models, split, called=("the old table", "the new table"))
    one_list = replay and remember and Path(replay).resolve() == Path(remember).resolve()
    read = [columns, None if one_list else replay]
    check_outputs(
        [*outputs, *([Path(remember)] if remember else [])],
        [
            *(one.file for one in sources if one.file),
            *(Path(path) for path in read if path),
            *(runs.feature_files(Path(features)) if features else ()),
            *inputs,
        ],
    )
    if remember and not sources[1].file:
        raise InputError("a list of remembered images names the release: give the new model as a file or a run folder.")
    if remember:
        read_remembered(remember, missing=True)  # what is no list is refused before the work
    remembered = read_remembered(replay, missing=bool(one_list)) if replay else None
    paths = [one.file for one in sources[:2] if one.file]
    if len(paths) == 2:
        runs.require_columns([*paths, *([Path(columns)] if columns else [])], slices)
    table = read_metadata(columns, slices) if columns else None
    holder = _holder(sources) if find_slices and not features else None
    old, new, *others = (
        one.read(classes=classes, columns=[*slices, "features"] if one is holder else slices) for one in sources
    )
    names = (sources[0].name, sources[1].name)
    lacking = ""
    if table:
        old, lacking = analysis.join_metadata(old, new, table, names=names)
    result = analysis.compare.compare(
        old,
        new,
        slices=slices,
        confidence=gate.confidence,
        gate=gate,
        errors_of=errors_of,
        correction=correction,
        max_flips=max_flips,
        names=names,
        remembered=remembered,
        release=sources[1].release,
    )
    if find_slices:
        held = runs.read_features(Path(features)) if features else None
        groups = analysis.find_slices(old, new, features=held, columns=slices, confidence=gate.confidence, names=names)
        result = dataclasses.replace(result, found_slices=groups)
    short = runs.short_names([one.place or Path(one.name) for one in sources])
    plane = analysis.plane(old, dict(zip(short[2:], others, strict=True)), confidence=gate.confidence)
    result = dataclasses.replace(
        result,
        old=str(sources[0].file or ""),
        new=str(sources[1].file or ""),
        note="; ".join(filter(None, (note, lacking))),
        others=tuple(plane),
    )
    added = (0, 0)
    if remember:
        today = datetime.datetime.now(datetime.UTC).date()
        added = add_remembered(remember, broken(old, new, release=sources[1].release, date=today))
    return Compared(result, sources, old, new, added)


def _holder(sources: Sequence[Source]) -> Source | None:
    """Return the new model where its predictions hold features, else the old one where its do."""
    return next((one for one in (sources[1], sources[0]) if one.file is None or runs.has_features(one.file)), None)
