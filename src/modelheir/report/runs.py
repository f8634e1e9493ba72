"""The page of many runs: one row a method, the plane with intervals over seeds, curves, flips of the best one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelheir.analysis.flipped import Flipped
from modelheir.analysis.gate.verdict import STATES
from modelheir.report import figures, gallery, glossary, numerals, page, table, training
from modelheir.report.provenance import rows as provenance_rows
from modelheir.runs import files
from modelheir.runs.outputs import page_files

__all__ = ["write_runs"]

_COLUMNS = (
    *("name", "n", "error", "error_low", "error_high", "nfr", "nfr_low", "nfr_high"),
    *("relative_nfr", "relative_nfr_low", "relative_nfr_high", "error_difference", "error_difference_low"),
    *("error_difference_high", "nfr_difference", "nfr_difference_low", "nfr_difference_high"),
    *("verdict", "seeds", "failed"),
)


def write_runs(
    path: Path,
    runs: Sequence[Mapping[str, Any]],
    *,
    title: str = "Runs compared",
    note: str = "",
    error_old: float | None = None,
    baseline: str = "the baseline",
    flipped: Flipped | None = None,
    names: tuple[str, str] = ("old", "new"),
    images: gallery.Images | None = None,
    curves: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
    ways: Sequence[Mapping[str, Any]] = (),
    subspaces: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the page, and beside it its table as comma-separated values.

    Args:
        path: Where the page goes; the table gets the same name with the ending ``.table.csv``.
        runs: One dict a method, in the order of the table. ``name``; ``error``, ``nfr`` and ``relative_nfr``
            (fractions) with ``error_interval``, ``nfr_interval``, ``relative_nfr_interval`` where known; ``seeds``
            (list of numbers); ``n`` (images); ``error_difference`` and ``nfr_difference`` (paired, against
            ``baseline``) with ``..._interval``; ``gate`` (``verdict``, ``passed``, ``reasons``, and ``seeds_passed``
            where known);
            ``group`` (runs of a group are joined in the plane); ``chosen`` (true for the run of the gallery). A run
            that did not finish has ``failed``, the reason as a sentence, and stays in the table; the old model itself
            has ``reference`` (true) and no verdict.
        title: Heading of the page.
        note: A sentence under the heading, such as what the data are and what the intervals cover.
        error_old: Error of the old model, a fraction.
        baseline: What to call the run that differences are taken against.
        flipped: The images of the gallery. Without it there is no gallery.
        names: What to call the old model and the run of the gallery.
        images: Takes sample ids, returns encoded pictures of those it has. Without it the gallery is a list.
        curves: Run name to the rows of its metric log.
        provenance: Run name to what is known about where its numbers come from.
        ways: What runs tried, as :func:`~modelheir.report.tried.tried` tells it.
        subspaces: Where the weights of runs moved, as :func:`~modelheir.report.subspace.subspace` tells it.

    Returns:
        The path of the page.

    Raises:
        InputError: If the files cannot be written, or the page's name does not end in .html.
    """
    path, beside = page_files(Path(path))
    rows = [_row(run) for run in runs]
    text = table.to_csv(rows, _COLUMNS)
    drawn, order = training.training_figures(curves or {})
    compared = any(numerals.is_number(row.get("nfr")) for row in rows)  # with an old model
    files.write_text(beside, text)
    return page.write(
        path,
        "runs.html",
        title=title,
        note=note,
        names=names,
        runs=rows,
        machine=files.to_json(rows),
        verdict=_verdict(rows),
        error_old=error_old,
        baseline=baseline,
        paired=any("nfr_difference" in row for row in rows),
        plane=figures.plane(rows, error_old=error_old) if compared else None,
        gallery=None if flipped is None else gallery.illustrated(flipped, images),
        kinds=gallery.KINDS,
        ways=ways,
        subspaces=subspaces,
        curves=drawn,
        lines=figures.key(order),
        provenance={run: provenance_rows(about) for run, about in (provenance or {}).items()},
        glossary=glossary.GLOSSARY,
        csv_name=beside.name,
        csv=page.csv_address(text),
    )


def _row(run: Mapping[str, Any]) -> dict[str, Any]:
    gate = run.get("gate") or {}
    state = STATES[gate.get("verdict")]
    reasons = [str(reason) for reason in gate.get("reasons") or ()]
    return {
        **run,
        "name": str(run["name"]),
        "reference": bool(run.get("reference")),
        "state": state,
        "verdict": gate.get("verdict"),
        "seeds_passed": gate.get("seeds_passed"),
        "reasons": reasons,
    }


def _verdict(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sort the runs by what the gate says; a run that failed to finish has no verdict."""
    done = [row for row in rows if not row.get("failed")]
    ships = [row["name"] for row in done if row["state"] == "ship"]
    judged = sum(row["state"] != "none" for row in done)
    found = {row["state"] for row in done}
    state = next((one for one in ("ship", "undecided", "hold") if one in found), "none")
    return {"state": state, "ships": ships, "judged": judged, "broken": len(rows) - len(done)}
