"""The list of what is trained on: chosen images without a label, and labelled ones, as ``manifest:FILE`` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelheir.runs.files import replace_file

__all__ = ["SCHEMA", "chosen_rows", "labelled_rows", "write_manifest"]

UNLABELLED = "-1"  #: in a column of class names

SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("chosen_for", pa.string()),
        ("score", pa.float32()),
    ]
)


def chosen_rows(
    sample_id: Sequence[str], path: Sequence[str], chosen_for: Sequence[str], score: np.ndarray
) -> pa.Table:
    """Return the rows of images of the pool: label -1, split ``unlabelled``.

    Args:
        sample_id: Their ids.
        path: Their files, relative to the manifest's folder.
        chosen_for: The class that took each.
        score: The teacher's probability of that class, 0 to 1.
    """
    count = len(sample_id)
    values = [sample_id, path, [UNLABELLED] * count, ["unlabelled"] * count, chosen_for, score]
    return pa.table(dict(zip(SCHEMA.names, values, strict=True)), schema=SCHEMA)


def labelled_rows(sample_id: Sequence[str], path: Sequence[str], label: Sequence[str]) -> pa.Table:
    """Return the rows of labelled training images, split ``train``; ``label`` is a class name, or "-1" for none.

    >>> labelled_rows(["a"], ["images/train/a.png"], ["cat"])["split"].to_pylist()
    ['train']
    """
    count = len(sample_id)
    values = [sample_id, path, label, ["train"] * count, [""] * count, np.full(count, np.nan, dtype=np.float32)]
    return pa.table(dict(zip(SCHEMA.names, values, strict=True)), schema=SCHEMA)


def write_manifest(path: Path, parts: Sequence[pa.Table]) -> None:
    """Write the rows of all parts, whole or not at all."""
    table = pa.concat_tables(parts) if parts else SCHEMA.empty_table()
    replace_file(path, lambda temporary: pq.write_table(table, temporary))
