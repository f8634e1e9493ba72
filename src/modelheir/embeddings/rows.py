"""``ids.parquet``: which image stands where in a view, with its label and its split when the view was computed."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelheir import checks
from modelheir.checks import InputError
from modelheir.embeddings.facts import ViewFacts
from modelheir.runs.files import replace_file

__all__ = ["FILE", "Rows", "read_rows", "rows_digest", "write_rows"]

FILE = "ids.parquet"
_COLUMNS = ("sample_id", "label", "split", "shard", "row")


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """The images of a view, in the order of its vectors."""

    ids: np.ndarray  #: ``(N,)`` text, unique
    labels: np.ndarray  #: ``(N,)`` int64, numbers of the view's classes; -1 is unlabelled
    splits: np.ndarray  #: ``(N,)`` text: in which split the image was; training splits anew, by its own settings

    def __post_init__(self) -> None:
        checks.same_length(ids=self.ids, labels=self.labels, splits=self.splits)

    def __len__(self) -> int:
        return len(self.ids)


def rows_digest(rows: Rows) -> str:
    """Return the SHA-256 of ids and labels, in order: of each id in UTF-8 with a zero byte behind it, then labels."""
    found = hashlib.sha256()
    for name in rows.ids:
        found.update(str(name).encode("utf-8", "surrogatepass") + b"\0")
    found.update(rows.labels.astype("<i8").tobytes())
    return found.hexdigest()


def write_rows(folder: Path, facts: ViewFacts, rows: Rows) -> None:
    """Write ``ids.parquet`` unless it is there and whole.

    Raises:
        ValueError: If they are not the rows of the view.
    """
    if rows_digest(rows) != facts.rows:
        raise ValueError("these are not the rows that view.json tells of")
    if (folder / FILE).is_file():
        try:
            read_rows(folder, facts)
        except InputError:
            pass
        else:
            return
    place = np.arange(len(rows))
    table = pa.table(
        {
            "sample_id": pa.array(rows.ids.tolist(), pa.string()),
            "label": pa.array(rows.labels.astype(np.int64)),
            "split": pa.array(rows.splits.tolist(), pa.string()),
            "shard": pa.array((place // facts.shard_images).astype(np.int32)),
            "row": pa.array((place % facts.shard_images).astype(np.int32)),
        }
    )
    replace_file(folder / FILE, lambda temporary: pq.write_table(table, temporary))


def read_rows(folder: Path, facts: ViewFacts) -> Rows:
    """Read ``ids.parquet``.

    Raises:
        InputError: If it is missing, damaged, or not of this view.
    """
    path, advice = folder / FILE, "Remove it and run the same `modelheir embed` again"
    if not path.is_file():
        raise InputError(f"{path} is missing. Run the same `modelheir embed` again.")
    try:
        table = pq.read_table(path, columns=list(_COLUMNS))
        found = Rows(
            np.array(table["sample_id"].to_pylist(), dtype=str),
            table["label"].to_numpy(),
            np.array(table["split"].to_pylist(), dtype=str),
        )
        place = table["shard"].to_numpy().astype(np.int64) * facts.shard_images + table["row"].to_numpy()
    except (pa.ArrowException, KeyError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged ({str(error).splitlines()[0]}). {advice}.") from error
    if len(found) != facts.count or rows_digest(found) != facts.rows or (place != np.arange(len(found))).any():
        raise InputError(f"{path} is damaged: its ids, labels or places are not those of the view. {advice}.")
    return found
