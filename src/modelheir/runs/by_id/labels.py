"""Labels that come back for images whose predictions are already there: a table of sample ids and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modelheir.checks import InputError
from modelheir.runs import prediction_cells as cells
from modelheir.runs.prediction_checks import check, require_column
from modelheir.runs.tables import read_table
from modelheir.types import Predictions

__all__ = ["read_labels"]


def read_labels(path: Path | str, *, classes: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read labels alone, from Parquet or CSV with ``sample_id`` and ``label``; other columns are left unread.

    Args:
        path: The file.
        classes: Class names by number; ``None`` where classes are known by number only.

    Returns:
        Ids, text ``(N,)``, and class numbers, int64 ``(N,)``; -1 where there is none yet.

    Raises:
        InputError: If the file is missing, unreadable, or lacks a column; if ids are empty or repeat; if a label is no
            class.
    """
    path = Path(path)
    table, every, _ = read_table(path, lambda name: name in ("sample_id", "label"), text=("sample_id",))
    for column in ("sample_id", "label"):
        require_column(path, every, column)
    if table.num_rows == 0:
        raise InputError(f"{path} holds no rows.")
    ids = cells.text_ids(path, table["sample_id"])
    names = tuple(classes) if classes else None
    try:
        numbers, found = cells.class_numbers(path, {"label": table["label"]}, names, False)
    except InputError as error:
        if "unknown classes" not in str(error):
            raise
        raise InputError(f"{error} Classes that neither model predicts must be named too: --classes FILE.") from error
    if found and not names:
        raise InputError(f"{path} labels by class names and the predictions number theirs: name them, --classes FILE.")
    label = numbers["label"]
    check(path, Predictions(ids, label, np.maximum(label, 0), classes=names))
    return ids, label
