"""One page of many runs: error, negative flips against an old model, curves and provenance."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from modelheir.address import parse_address, predictions_place
from modelheir.checks import InputError, InRange, OneOf
from modelheir.cli.outputs import check_outputs, page_files
from modelheir.cli.parsing import Spec, parse
from modelheir.cli.screen import percent, say, show_table

__all__ = ["ReportConfig", "main", "report_runs"]


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Settings of ``report``."""

    html: str = "report.html"  #: the page to write; its table goes beside it as .table.csv
    old: str = ""  #: run folder or predictions file that flips are counted against; empty takes each run's own --old
    split: Annotated[str, OneOf("val", "test")] = "test"
    data: str = ""  #: where pictures of flipped images come from, such as folder:DIR; empty takes the run's own
    pictures: bool = True  #: show pictures where the data is at hand
    max_nfr: Annotated[float, InRange(0, 1)] = 1.0  #: the gate's largest negative flip rate; 1 judges nothing
    title: str = "Runs compared"


SPEC = Spec(
    command="report",
    about="Put runs on one page: a table, the plane of error against negative flips, training curves, provenance.",
    configs={"": ReportConfig},
    words="RUN ...",
)


def main(argv: list[str]) -> int:
    """Write the page and print its table."""
    said = parse(SPEC, argv)
    config = said.configs[""]
    rows, page = report_runs(said.words, config)
    table = [
        [
            row["name"],
            percent(row["error"], row.get("error_interval")) if "failed" not in row else row["failed"],
            percent(row.get("nfr"), row.get("nfr_interval")),
        ]
        for row in rows
    ]
    show_table("", ["run", "error", "NFR"], table)
    say(*map("{}: {}".format, ("Report", "Table"), page_files(page)))
    return 0


def report_runs(runs: Sequence[str], config: ReportConfig) -> tuple[list[dict[str, Any]], Path]:
    """Compare runs and write the page.

    Args:
        runs: Run folders, with or without ``run:``. One that has not finished is listed as such.
        config: Settings.

    Returns:
        One row a run, and the path of the page.

    Raises:
        InputError: If a folder holds no run, no run has predictions for the split, or the page or its table would
            replace a file that is read.
    """
    from modelheir.assemble.pages import gallery_images, run_curves, run_provenance
    from modelheir.report import write_runs
    from modelheir.runs.predictions import read_predictions

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
        old = read_predictions(path_old, columns=()) if path_old else None
        rows.append({"name": name, **_row(old, new, config.max_nfr), "seeds": _seeds(folder)})
        if path_old and path_old.resolve() != path.resolve():  # the old run itself has no flips to show
            pairs[name] = (old, new)
    done = [row for row in rows if "failed" not in row]
    if not done:
        raise InputError(f"none of the {len(rows)} runs has predictions: {rows[0]['failed']}")
    best = min((row for row in done if row["name"] in pairs), key=lambda row: row["nfr"], default=None)
    old, new = pairs[best["name"]] if best else (None, None)
    if best:
        best["chosen"] = True
    pictures = gallery_images(config.data or _own_data(folders[best["name"]]), folders[best["name"]]) if best else None
    page = write_runs(
        Path(config.html),
        rows,
        title=config.title,
        error_old=best["error_old"] if best else None,
        old=old,
        new=new,
        names=("old", best["name"] if best else "new"),
        images=(pictures if config.data else _or_none(pictures)) if pictures and config.pictures else None,
        curves={name: run_curves(folder) for name, folder in folders.items()},
        provenance={name: run_provenance(folder) for name, folder in folders.items()},
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


def _predictions(place: Path, split: str) -> Path:
    from modelheir.runs.folder import RunFolder

    return place if place.is_file() else RunFolder(place).predictions(split)


def _why(folder: Path, split: str) -> str:
    from modelheir.runs.folder import RunFolder

    status = RunFolder(folder).status()
    reason = f": {status['reason']}" if status.get("reason") else ""
    return f"{status.get('state', 'no run')}{reason}; no predictions of {split}"


def _config(folder: Path) -> dict[str, Any]:
    from modelheir.config.mapping import read_yaml

    path = folder / "config.yaml"
    return read_yaml(path) if path.is_file() else {}


def _own_old(folder: Path) -> str:
    """Return the run's first ``--old`` if its predictions are still there."""
    given = next(iter(_config(folder).get("old") or ()), "")
    if not given:
        return ""
    old = parse_address(given)
    known = old.kind in ("run", "predictions") and not old.stage and old.path.exists()  # a stage said other things
    return given if known else ""


def _own_data(folder: Path) -> str:
    return str(_config(folder).get("data", "digits"))


def _seeds(folder: Path) -> list[int]:
    return [_config(folder)["seed"]] if "seed" in _config(folder) else []


def _row(old: Any, new: Any, max_nfr: float) -> dict[str, Any]:
    from modelheir.analysis.compare import GateConfig, compare
    from modelheir.metrics.intervals import wilson

    if old is None:
        known = new.label >= 0
        right, count = int((new.prediction == new.label)[known].sum()), int(known.sum())
        low, high = wilson(right, count)
        return {"n": count, "error": 1 - right / count, "error_interval": (1 - high, 1 - low)}
    found = compare(old, new, gate=GateConfig(max_nfr=max_nfr if max_nfr < 1 else None))
    row = {key: found[key] for key in ("n", "nfr", "pfr", "relative_nfr", "churn")}
    row |= {"error": 1 - found["accuracy_new"], "error_old": 1 - found["accuracy_old"]}
    for name in ("nfr", "relative_nfr"):
        if found["intervals"].get(name):
            row[f"{name}_interval"] = found["intervals"][name]
    if found["intervals"].get("accuracy_new"):
        low, high = found["intervals"]["accuracy_new"]
        row["error_interval"] = (1 - high, 1 - low)
    return {**row, "gate": found["gate"]} if max_nfr < 1 else row


def _or_none(images: Any) -> Any:
    """Show no picture, rather than no page, where the data is not at hand any more."""

    def read(ids: list[str]) -> dict[str, bytes]:
        try:
            return images(ids)
        except (InputError, OSError):
            return {}

    return read
