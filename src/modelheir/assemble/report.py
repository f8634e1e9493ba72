"""One page of many runs: error, negative flips against an old model, curves and provenance."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from modelheir import analysis, report
from modelheir.address import parse_address, predictions_place
from modelheir.assemble.pages import find_images, run_curves, run_provenance
from modelheir.checks import InputError, InRange, OneOf
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.methods import METHODS
from modelheir.report.subspace import subspace
from modelheir.report.tried import tried
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.outputs import check_outputs, page_files
from modelheir.runs.predictions import read_predictions
from modelheir.runs.teacher_cache.manifest import read_manifest

__all__ = ["ReportConfig", "report_runs"]


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Settings of ``report``."""

    html: str = "report.html"  #: the page to write; its table goes beside it as .table.csv
    old: str = ""  #: run folder or predictions file that flips are counted against; empty takes each run's own --old,
    #: of a student its first teacher
    split: Annotated[str, OneOf("val", "test")] = "test"
    data: str = ""  #: where pictures of flipped images come from, such as folder:DIR; empty takes the run's own
    pictures: bool = True  #: show pictures where the data is at hand
    max_nfr: Annotated[float, InRange(0, 1)] = 1.0  #: the gate's largest negative flip rate; 1 judges nothing
    title: str = "Runs compared"


def report_runs(
    runs: Sequence[str], config: ReportConfig, *, command: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], Path]:
    """Compare runs and write the page.

    Args:
        runs: Run folders, with or without ``run:``. One that has not finished is listed as such; ``config.old`` among
            them is listed as the reference, without a verdict.
        config: Settings.
        command: What was typed, for the page.

    Returns:
        One row a run, and the path of the page.

    Raises:
        InputError: If a folder holds no run, no run has predictions for the split, or the page or its table would
            replace a file that is read.
    """
    outputs = page_files(Path(config.html))
    folders = {name: predictions_place(run) for name, run in zip(_names(runs), runs, strict=True)}
    rows: list[dict[str, Any]] = []
    pairs: dict[str, tuple[Any, Any]] = {}
    for name, folder in folders.items():
        path = _predictions(folder, config.split)
        if not path.is_file():
            rows.append({"name": name, "seeds": [], "failed": _why(folder, config.split)})
            continue
        new = read_predictions(path, columns=())
        place = config.old or _own_old(folder)
        path_old = _predictions(predictions_place(place), config.split) if place else None
        check_outputs(outputs, [path, *([path_old] if path_old else [])])
        if path_old and path_old.resolve() == path.resolve():  # the old model is no candidate for its own place
            rows.append({**analysis.run_row(name, new), "reference": True, "seeds": _seeds(folder)})
            continue
        old = read_predictions(path_old, columns=()) if path_old and (config.old or path_old.is_file()) else None
        named = config.old or _config(folder).get("old")
        if old is not None and not named and set(old.sample_id) != set(new.sample_id):
            old = None  # a teacher that was trained on other data
        row = {**analysis.run_row(name, new, old, max_nfr=config.max_nfr), "seeds": _seeds(folder)}
        rows.append(row if old is None else {**row, "old": place})
        if old is not None:
            pairs[name] = (old, new)
    done = [row for row in rows if "failed" not in row]
    if not done:
        raise InputError(f"none of the {len(rows)} runs has predictions: {rows[0]['failed']}")
    best = min((row for row in done if row["name"] in pairs), key=lambda row: row["nfr"], default=None)
    if best:
        best["chosen"] = True
    page = report.write_runs(
        Path(config.html),
        rows,
        title=config.title,
        error_old=best["error_old"] if best else None,
        flipped=analysis.flipped.flipped(*pairs[best["name"]]) if best else None,
        names=("old", best["name"] if best else "new"),
        images=find_images(config.data, folders[best["name"]]) if best and config.pictures else None,
        curves={name: run_curves(folder) for name, folder in folders.items()},
        subspaces=[found for name, folder in folders.items() if (found := subspace(name, _result(folder)))],
        ways=[found for name, folder in folders.items() if (found := _tried(name, RunFolder(folder), config.split))],
        provenance={
            "this page": {"command": command},
            **{name: run_provenance(folder) for name, folder in folders.items()},
        },
    )
    return rows, page


def _names(runs: Sequence[str]) -> list[str]:
    """Name runs by their folders; by more of the path where two would share a name."""
    paths = [Path(os.path.normpath(predictions_place(run))) for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if not (path / "status.json").is_file():
            raise InputError(f"{run} is not a run folder: it has no status.json.")
    short = [path.name or str(path) for path in paths]
    return short if len(set(short)) == len(short) else list(dict.fromkeys(map(str, paths)))


def _tried(name: str, folder: RunFolder, split: str) -> dict[str, Any] | None:
    """Return what a run tried; of algorithms of co-training, also how far confidences can be trusted."""
    result = _result(folder.path)
    alone = result.get("algorithm/supervised")
    if alone is None:
        return tried(name, result)
    before = folder.stage_named(alone["stages"][0]).predictions(split)
    return tried(name, result, analysis.reliability_of({"old": before, "new": folder.predictions(split)}))


def _result(place: Path) -> dict[str, Any]:
    path = RunFolder(place).result
    return read_json(path) if place.is_dir() and path.is_file() else {}


def _predictions(place: Path, split: str) -> Path:
    return place if place.is_file() else RunFolder(place).predictions(split)


def _why(folder: Path, split: str) -> str:
    status = RunFolder(folder).status()
    reason = f": {status['reason']}" if status.get("reason") else ""
    return f"{status.get('state', 'no run')}{reason}; no predictions of {split}"


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    return read_yaml(path) if path.is_file() else {}


def _own_old(folder: Path) -> str:
    """Return the run's first ``--old``, else its first teacher, if its predictions are still there."""
    kept = _config(folder)
    given = next(iter(kept.get("old") or _teachers(kept)), "")
    if not given:
        return ""
    if parse_address(given).kind == "cache" and parse_address(given).path.exists():
        given = read_manifest(parse_address(given).path).teachers[0]["address"]
    old = parse_address(given)
    known = old.kind in ("run", "predictions") and not old.stage and old.path.exists()  # a stage said other things
    return given if known else ""


def _teachers(kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of the models that taught a run; none where this version cannot read its settings."""
    method = METHODS.get(kept.get("train", ""))
    try:
        own = from_mapping(method.config, kept.get("method") or {}) if method else None
    except InputError:
        return ()
    uses = method.models(own).values() if method else ()
    return tuple(address for use in uses if use.teaches for address in use.addresses)


def _seeds(folder: Path) -> list[int]:
    return [_config(folder)["seed"]] if "seed" in _config(folder) else []
