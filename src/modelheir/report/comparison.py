"""The page of one comparison: an old model, a new one, the verdict, and everything behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from modelheir.analysis.comparison import Comparison, Group
from modelheir.analysis.flipped import Flipped
from modelheir.report import figures, found_slices, gallery, glossary, page, table, training
from modelheir.report.provenance import rows as provenance_rows
from modelheir.runs import files
from modelheir.runs.outputs import page_files

__all__ = ["write_compare"]

_DRAWN = 30  #: classes in a picture; the tables hold all
_MISTAKES = 30  #: the most frequent ones, listed; the JSON holds all
_COLUMNS = (
    *("group", "name", "n", "accuracy_old", "accuracy_old_low", "accuracy_old_high"),
    *("accuracy_new", "accuracy_new_low", "accuracy_new_high", "nfr", "nfr_low", "nfr_high"),
    *("pfr", "pfr_low", "pfr_high", "relative_nfr", "churn", "p", "p_corrected"),
    *("precision_old", "precision_new", "recall_old", "recall_new", "f1_old", "f1_new"),
    *("confused_with_old", "confused_n_old", "confused_with_new", "confused_n_new"),
)


def write_compare(
    path: Path,
    found: Comparison,
    *,
    flipped: Flipped,
    names: tuple[str, str],
    images: gallery.Images | None = None,
    curves: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the page, and beside it the table of classes and slices as comma-separated values.

    Args:
        path: Where the page goes; the table gets the same name with the ending ``.table.csv``.
        found: What ``analysis.compare`` returned; its ``others`` stand in the plane too, and those that share a
            ``group`` are joined by a line.
        flipped: The images of the gallery.
        names: What to call the two models.
        images: Takes sample ids, returns encoded pictures of those it has. Without it the gallery is a list.
        curves: Run name to the rows of its metric log.
        provenance: Run name to what is known about where its numbers come from.

    Returns:
        The path of the page.

    Raises:
        InputError: If the files cannot be written, or the page's name does not end in .html.
    """
    path, beside = page_files(Path(path))
    text = table.to_csv(_rows(found), _COLUMNS)
    classes = found.by_new_mistakes()
    changed = [group for group in classes if group.rates.nfr.value or group.rates.pfr.value]
    models = [{**found.placed(names[1]), "chosen": True}, *found.others]
    tables = found.scores.reliability if found.scores else {}
    drawn, lines = training.training_figures(curves or {})
    files.write_text(beside, text)
    return page.write(
        path,
        "compare.html",
        title=f"{names[0]} to {names[1]}",
        names=names,
        found=found,
        machine=files.to_json(found),
        rates=glossary.numbers(found),
        outcomes=figures.outcomes(found.counts.shares),
        scores=glossary.scores(found),
        classes=classes,
        class_figure=figures.class_flips(changed[:_DRAWN]) if changed else "",
        drawn=len(changed[:_DRAWN]),
        changed=len(changed),
        confused=_confused(found, names),
        mistakes=found.confusion.mistakes(_MISTAKES),
        slices=_by_column(found.slices),
        sheets=found_slices.sheets(found.found_slices, images) if found.found_slices is not None else (),
        gallery=gallery.illustrated(flipped, images),
        kinds=gallery.KINDS,
        models=models,
        plane=figures.plane(models, error_old=found.rates.accuracy_old.rest.value),
        reliability=figures.reliability(tables, {"old": names[0], "new": names[1]}) if tables else "",
        curves=drawn,
        lines=figures.key(lines),
        provenance={run: provenance_rows(about) for run, about in (provenance or {}).items()},
        glossary=glossary.GLOSSARY,
        csv_name=beside.name,
        csv=page.csv_address(text),
    )


def _rows(found: Comparison) -> list[dict[str, Any]]:
    """Put all images, the classes and the slices into rows of one shape."""
    whole = {key: value for name, rate in found.rates.items() for key, value in rate.named(name).items()}
    rows: list[dict[str, Any]] = [{"group": "all", "name": "all images", "n": found.n, **whole, "p": found.mcnemar_p}]
    for group in (*found.classes, *found.slices):
        kind = f"slice {group.column}" if group.column else "class"
        rows.append({**group.to_json(), "group": kind, "name": str(group.name)})
    return rows


def _confused(found: Comparison, names: tuple[str, str]) -> list[Markup]:
    """Draw the confusion of both models on one scale; nothing where the classes are too many for a picture."""
    classes = found.confusion.occurring
    if len(classes) > _DRAWN:
        return []
    tables = [found.confusion.table(side).tolist() for side in ("old", "new")]
    shares = [n / sum(row) for of in tables for k, row in enumerate(of) for j, n in enumerate(row) if n and j != k]
    top = max(shares, default=1.0)
    return [figures.confusion(classes, of, top=top, model=name) for of, name in zip(tables, names, strict=True)]


def _by_column(slices: Sequence[Group]) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = {}
    for group in slices:
        found.setdefault(group.column, []).append(group)
    return found
