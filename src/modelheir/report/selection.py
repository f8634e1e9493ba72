"""The page of a selection: removed pairs to look at, the balance of the classes, what was set, what cannot be read."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelheir.report import figures, page, table
from modelheir.report.gallery import data_address
from modelheir.report.provenance import rows as provenance_rows
from modelheir.runs import files
from modelheir.runs.outputs import page_files

__all__ = ["Pair", "write_selection"]

_COLUMNS = ("name", "pool", "chosen", "lowest", "labelled")
_DRAWN = 40  #: most classes of the figure
_NAMED = 50  #: most bad files that the page names


@dataclasses.dataclass(frozen=True)
class Pair:
    """A removed image and what it is a copy of."""

    sample_id: str
    partner: str
    reason: str
    score: float
    split: str  #: of the partner: test, val, train or pool
    image: bytes = b""  #: encoded; empty where it is not at hand
    other: bytes = b""


def write_selection(
    path: Path,
    found: Mapping[str, Any],
    *,
    pairs: Sequence[Pair],
    total: int,
    reasons: Mapping[str, str],
    title: str,
    provenance: Mapping[str, Mapping[str, Any]],
) -> Path:
    """Write the page, and beside it the table of classes as comma-separated values.

    Args:
        path: Where the page goes.
        found: The content of ``selection.json``.
        pairs: Removed images to show, in the order of the page.
        total: How many were removed.
        reasons: Reason of a removal -> what it means.
        title: Heading.
        provenance: What is known about where the numbers come from.

    Returns:
        The path of the page.

    Raises:
        InputError: If the files cannot be written.
    """
    path, beside = page_files(Path(path))
    classes = list(found["classes"])
    drawn = classes if len(classes) <= _DRAWN else sorted(classes, key=lambda row: row["chosen"])[:_DRAWN]
    text = table.to_csv(classes, _COLUMNS)
    files.write_text(beside, text)
    cards = [{"pair": one, "pictures": [data_address(content) for content in (one.image, one.other)]} for one in pairs]
    return page.write(
        path,
        "selection.html",
        title=title,
        found=found,
        machine=files.to_json(found),
        classes=classes,
        figure=figures.class_counts(
            [row["name"] for row in drawn], [row["chosen"] for row in drawn], wanted=found["top_k"]
        ),
        drawn=len(drawn),
        short=sum(row["chosen"] < found["top_k"] for row in classes),
        cards=cards,
        pictured=any(one.image or one.other for one in pairs),
        counts=_counts(found["removed"]),
        shown=collections.Counter(one.reason for one in pairs),
        shown_splits=collections.Counter(one.split for one in pairs),
        total=total,
        reasons=reasons,
        bad=list(found["bad"].items())[:_NAMED],
        thresholds=_flat(found["settings"].get("dedup", {})),
        provenance={name: provenance_rows(about) for name, about in provenance.items()},
        csv_name=beside.name,
        csv=page.csv_address(text),
    )


def _counts(removed: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, int]]:
    return [(split, reason, count) for split, of in removed.items() for reason, count in of.items()]


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    words = {True: "yes", False: "no"}
    return [(key, words[value] if isinstance(value, bool) else f"{value:g}") for key, value in settings.items()]
