"""Results of the older benchmark: its ``metrics.csv`` files, one row a run.

Their columns are Model, Method, Shift sequence, Seed and Test accuracy; sequential runs have more, which are not read.
They hold no validation accuracy, so of several schedules only the rule ``compat`` can choose.
"""

from __future__ import annotations

import csv
import io

from modelheir.analysis.sequences.results import Result, as_published
from modelheir.checks import InputError

__all__ = ["read_metrics"]

_COLUMNS = ("Model", "Method", "Shift sequence", "Seed", "Test accuracy")


def read_metrics(text: str, *, source: str) -> list[Result]:
    r"""Read one file, or several joined in one; names become those of the published tables.

    Args:
        text: The content.
        source: What to call the file in an error.

    Raises:
        InputError: If a column is missing, or a value is no number.

    Example:
        >>> text = "Model,Method,Shift sequence,Seed,Test accuracy\nresnet 4 blocks,erm_all,source6:rotation4,1007,0.5"
        >>> found = read_metrics(text, source="metrics.csv")[0]
        >>> found.architecture, found.accuracy
        ('Res-4', 0.5)
    """
    rows = csv.DictReader(io.StringIO(text))
    missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise InputError(f"{source}: there is no column {missing[0]!r}; metrics.csv has {', '.join(_COLUMNS)}.")
    found = []
    for number, row in enumerate(rows, 2):
        model, method, sequence, seed, accuracy = ((row[column] or "").strip() for column in _COLUMNS)
        try:
            value = float(accuracy) if accuracy.lower() not in ("", "nan") else None
            one = Result(model, method, sequence, int(float(seed)), value, failed="" if accuracy else "no accuracy")
        except ValueError:
            raise InputError(
                f"{source}, line {number}: seed {seed!r} and accuracy {accuracy!r} must be numbers: mend the line or "
                "leave it out."
            ) from None
        found.append(as_published(one))
    return found
