"""``ids.parquet``: ids, labels, splits and places, as any reader of Parquet finds them."""

import dataclasses
import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.embeddings.rows import Rows, read_rows, rows_digest, write_rows


def test_the_digest_is_what_the_docs_say(rows):
    said = b"".join(name.encode() + b"\0" for name in rows.ids.tolist())
    said += b"".join(int(label).to_bytes(8, "little", signed=True) for label in rows.labels)
    assert rows_digest(rows) == hashlib.sha256(said).hexdigest()
    assert rows_digest(dataclasses.replace(rows, splits=rows.splits[::-1])) == rows_digest(rows)
    assert rows_digest(dataclasses.replace(rows, ids=rows.ids[::-1])) != rows_digest(rows)
    assert rows_digest(dataclasses.replace(rows, labels=rows.labels[::-1])) != rows_digest(rows)


def test_rows_are_read_back(tmp_path, facts, rows):
    write_rows(tmp_path, facts, rows)
    table = pq.read_table(tmp_path / "ids.parquet").to_pydict()
    assert list(table) == ["sample_id", "label", "split", "shard", "row"]
    assert table["sample_id"] == rows.ids.tolist()
    assert table["shard"] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert table["row"] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    found = read_rows(tmp_path, facts)
    for name in ("ids", "labels", "splits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(rows, name))


def test_a_whole_file_is_left_and_a_damaged_one_mended(tmp_path, facts, rows):
    write_rows(tmp_path, facts, rows)
    path = tmp_path / "ids.parquet"
    first, content = path.stat().st_mtime_ns, path.read_bytes()
    write_rows(tmp_path, facts, rows)
    assert path.stat().st_mtime_ns == first
    path.write_bytes(content[:100])
    write_rows(tmp_path, facts, rows)
    assert path.read_bytes() == content


def test_other_rows_are_refused(tmp_path, facts, rows):
    with pytest.raises(ValueError, match="not the rows"):
        write_rows(tmp_path, facts, dataclasses.replace(rows, labels=rows.labels[::-1]))
    with pytest.raises(ValueError, match="lengths must be equal"):
        Rows(rows.ids, rows.labels[:3], rows.splits)
    with pytest.raises(InputError, match=r"ids\.parquet is missing"):
        read_rows(tmp_path, facts)


@pytest.mark.parametrize("spoil", ["cut", "swap", "place", "column", "short"])
def test_damage_is_named(tmp_path, facts, rows, spoil):
    write_rows(tmp_path, facts, rows)
    path = tmp_path / "ids.parquet"
    table = pq.read_table(path)
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        changed = {
            "swap": lambda: table.take([1, 0, *range(2, 10)]),
            "place": lambda: table.set_column(4, "row", table["shard"]),
            "column": lambda: table.drop_columns(["split"]),
            "short": lambda: table.slice(0, 9),
        }
        pq.write_table(changed[spoil](), path)
    with pytest.raises(InputError, match=r"ids\.parquet is damaged .*|ids\.parquet is damaged: its ids"):
        read_rows(tmp_path, facts)
