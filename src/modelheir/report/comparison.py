"""The page of one comparison: an old model, a new one, the verdict, and everything behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelheir.report import figures, gallery, glossary, numerals, page, table, training
from modelheir.report.provenance import rows as provenance_rows
from modelheir.runs import files
from modelheir.types import Predictions

__all__ = ["write_compare"]

_DRAWN = 30  #: classes in the picture; the table holds all
_COLUMNS = (
    *("group", "name", "n", "accuracy_old", "accuracy_old_low", "accuracy_old_high"),
    *("accuracy_new", "accuracy_new_low", "accuracy_new_high", "nfr", "nfr_low", "nfr_high"),
    *("pfr", "pfr_low", "pfr_high", "relative_nfr", "churn", "p", "p_corrected"),
)


def write_compare(
    path: Path,
    result: dict[str, Any],
    *,
    old: Predictions,
    new: Predictions,
    names: tuple[str, str],
    images: gallery.Images | None = None,
    others: Sequence[Mapping[str, Any]] = (),
    curves: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the page, and beside it the table of classes and slices as comma-separated values.

    Args:
        path: Where the page goes; the table gets the same name with the ending ``.table.csv``.
        result: What ``analysis.compare`` returned.
        old: Predictions of the old model, for the gallery; matched by sample id.
        new: Predictions of the new model.
        names: What to call the two models.
        images: Takes sample ids, returns encoded pictures of those it has. Without it the gallery is a list.
        others: Further models for the plane: dicts with ``name``, ``error``, ``nfr``, and optionally
            ``error_interval``, ``nfr_interval`` and ``group`` (models of a group are joined by a line).
        curves: Run name to the rows of its metric log.
        provenance: Run name to what is known about where its numbers come from.

    Returns:
        The path of the page.

    Raises:
        InputError: If the files cannot be written or the predictions hold different sample ids.
    """
    rows = _rows(result)
    text = table.to_csv(rows, _COLUMNS)
    beside = table.beside(Path(path))
    classes = [row for row in rows if row["group"] == "class"]
    worst = sorted(classes, key=lambda row: -(row.get("nfr") or 0.0))
    drawn, order = training.training_figures(curves or {})
    files.write_text(beside, text)
    return page.write(
        Path(path),
        "compare.html",
        title=f"{names[0]} to {names[1]}",
        names=names,
        result=result,
        machine=files.to_json(result),
        gate=_verdict(result),
        rates=glossary.numbers(result),
        outcomes=_outcomes(result),
        scores=glossary.scores(result),
        classes=worst,
        slices=_grouped(rows),
        class_figure=figures.class_flips(worst[:_DRAWN]) if worst else "",
        drawn_classes=min(_DRAWN, len(worst)),
        gallery=gallery.flipped(old, new, images=images),
        kinds=gallery.KINDS,
        models=(models := _models(result, names[1], others)),
        plane=figures.plane(models, error_old=_error(result.get("accuracy_old"))),
        reliability=_reliability(result, names),
        curves=drawn,
        lines=order,
        provenance={run: provenance_rows(about) for run, about in (provenance or {}).items()},
        glossary=glossary.GLOSSARY,
        csv_name=beside.name,
        csv=page.csv_address(text),
    )


def _error(accuracy: Any) -> float | None:
    return 1 - accuracy if numerals.is_number(accuracy) else None


def _verdict(result: Mapping[str, Any]) -> dict[str, Any]:
    """Put the gate into one of four states: ``pass``, ``hold`` (cannot tell), ``fail`` or ``none`` (no bounds set)."""
    gate = result.get("gate") or {}
    passed = gate.get("passed")
    state = "none" if passed is None else "pass" if passed else "hold" if gate.get("verdict") == "hold" else "fail"
    met = [check["sentence"] for check in gate.get("checks") or () if check["passed"]]
    return {"state": state, "reasons": gate.get("reasons") or (), "notes": gate.get("notes") or (), "met": met}


def _rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put all images, the classes and the slices into rows of one shape."""
    whole = {"group": "all", "name": "all images", **result}
    for key, ends in (result.get("intervals") or {}).items():
        whole[f"{key}_interval"] = ends
    rows = [whole]
    for row in result.get("per_class") or ():
        rows.append({"group": "class", **row, "name": str(row["class"])})
    for row in result.get("slices") or ():
        rows.append({"group": f"slice {row['column']}", **row, "name": str(row["value"])})
    return rows


def _grouped(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["group"].startswith("slice "):
            found.setdefault(row["group"].removeprefix("slice "), []).append(row)
    return found


def _outcomes(result: Mapping[str, Any]) -> Any:
    """Draw where the images went, from the four rates that fix it."""
    if not all(numerals.is_number(result.get(key)) for key in ("accuracy_old", "nfr", "pfr")):
        return ""
    old, lost, won = result["accuracy_old"], result["nfr"], result["pfr"]
    return figures.outcomes({"stay": old - lost, "pos": won, "neg": lost, "wrong": 1 - old - won})


def _models(result: Mapping[str, Any], name: str, others: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """List the models of the plane, the new one first."""
    intervals = result.get("intervals") or {}
    ends = intervals.get("accuracy_new")
    chosen = {
        "name": name,
        "error": _error(result.get("accuracy_new")),
        "nfr": result.get("nfr"),
        "error_interval": None if ends is None else [_error(ends[1]), _error(ends[0])],
        "nfr_interval": intervals.get("nfr"),
        "chosen": True,
    }
    return [chosen, *(dict(other) for other in others)]


def _reliability(result: Mapping[str, Any], names: tuple[str, str]) -> Any:
    tables = result.get("reliability") or {}
    return figures.reliability(tables, {"old": names[0], "new": names[1]}) if tables else ""
