"""Tables of other people: only what is asked for is read, within bounds; what is odd is one sentence."""

import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.runs import predictions, tables
from modelheir.runs.predictions import members_of, read_predictions, require_columns
from modelheir.runs.tables import column_names, read_table

IDS = ["a", "b", "c"]


def parquet(path, metadata=None, **columns):
    table = pa.table({"sample_id": IDS, "label": [0, 1, 2], "prediction": [0, 1, 1], **columns})
    if metadata is not None:
        table = table.replace_schema_metadata({b"modelheir": metadata})
    pq.write_table(table, path / "p.parquet")
    return path / "p.parquet"


def csv(path, text, encoding="utf-8"):
    (path / "p.csv").write_bytes(text.encode(encoding))
    return path / "p.csv"


@pytest.mark.parametrize("empty", [pa.nulls(3), pa.nulls(3, pa.string()), pa.nulls(3, pa.int64()), ["", "", ""]])
def test_a_label_column_without_values_is_unlabelled(tmp_path, empty):
    assert read_predictions(parquet(tmp_path, label=empty)).label.tolist() == [-1, -1, -1]


def test_a_csv_label_column_without_values(tmp_path):
    found = read_predictions(csv(tmp_path, "sample_id,label,prediction\na,,0\nb,,1\n"))
    assert found.label.tolist() == [-1, -1]


def test_a_prediction_column_without_values(tmp_path):
    with pytest.raises(InputError, match="3 rows have no prediction"):
        read_predictions(parquet(tmp_path, prediction=pa.nulls(3)))


@pytest.mark.parametrize("name", ["sample_id", "label", "prediction", "domain"])
def test_columns_of_one_name(tmp_path, name):
    head = f"sample_id,label,prediction,domain,{name}"
    path = csv(tmp_path, head + "\na,0,0,x,0\nb,1,1,y,1\n")
    with pytest.raises(InputError, match=f"p.csv has 2 columns called '{name}': keep one"):
        read_predictions(path)
    table = pa.Table.from_arrays([pa.array(IDS), *[pa.array([0, 1, 2])] * 4], names=head.split(","))
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(InputError, match=f"p.parquet has 2 columns called '{name}': keep one"):
        read_predictions(tmp_path / "p.parquet")
    if name == "domain":  # nobody asks for it
        assert len(read_predictions(path, columns=())) == 2


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("text", ["sample_id,label,prediction,größe\na,0,0,1\n", "größe,label\n"])
def test_a_header_that_is_not_utf8(tmp_path, text, encoding):
    with pytest.raises(InputError, match=r"p\.csv is not UTF-8"):
        read_predictions(csv(tmp_path, text, encoding))


def test_cells_that_are_not_utf8(tmp_path):
    with pytest.raises(InputError, match=r"p\.csv is not UTF-8"):
        read_predictions(csv(tmp_path, "sample_id,label,prediction\na,größe,größe\n", "latin-1"))


NESTED = {
    "list": pa.array([[1], [2], [3]]),
    "struct": pa.array([{"a": 1}] * 3),
    "map": pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("name", ["sample_id", "label", "prediction", "domain"])
def test_lists_and_records_where_one_value_belongs(tmp_path, name, kind):
    with pytest.raises(InputError, match=f"column '{name}' must hold .*, not {kind}<"):
        read_predictions(parquet(tmp_path, **{name: NESTED[kind]}), columns=["domain"])


@pytest.mark.parametrize(
    "note",
    [b"{", b"\xff", b"[]", b"null", b"7", b"[" * 100_000, b" " * (1 << 18) + b"{}", b'{"members": "many"}',
     b'{"members": -1}', b'{"members": true}', b'{"members": NaN}'],
    ids=range(11),
)  # fmt: skip
def test_an_odd_note(tmp_path, note, monkeypatch):
    monkeypatch.setattr(predictions, "_LONGEST_NOTE", 1 << 18)
    with pytest.raises(InputError, match=r"p\.parquet.*write the file again"):
        members_of(parquet(tmp_path, note))


@pytest.mark.parametrize(
    "classes", [5, "abc", {"a": 1}, [1, 2, 3], ["a", None, "b"], ["a", "\ud800", "b"], ["x" * 10**6]]
)
def test_odd_classes_in_the_note(tmp_path, classes):
    path = parquet(tmp_path, json.dumps({"classes": classes}).encode())
    with pytest.raises(InputError, match="its own list of classes is no list of names") as error:
        read_predictions(path)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_line_feeds_in_quoted_cells(tmp_path, size):
    """Also where a cell is longer than what is read at a time, and where a block's end falls inside quotes."""
    cell = "x,0,0\n" * (size // 6)
    text = "sample_id,note,label,prediction\n" + "".join(f'i{row},"{cell}",{row},0\n' for row in range(3))
    path = csv(tmp_path, text)
    assert read_predictions(path, columns=()).label.tolist() == [0, 1, 2]
    if size < 100:
        assert read_predictions(path).columns["note"].tolist() == [cell] * 3


def test_columns_that_nobody_asks_for_cost_nothing(tmp_path):
    """Columns of 10 and 2 MB: the memory of the reader stays far below."""
    big = pa.DictionaryArray.from_arrays(pa.array([0, 0, 0]), pa.array(["x" * 10**7]))
    path = parquet(tmp_path, note=big.cast(pa.string()), other=pa.array([np.zeros(10**5)] * 3))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        found = read_predictions(path, columns=())
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 1e6
    assert found.columns == {}
    assert column_names(path) == ["sample_id", "label", "prediction", "note", "other"]


def test_the_columns_asked_for(tmp_path):
    path = parquet(tmp_path, domain=["x", None, "y"], time=[1.5, 2.5, 3.5])
    assert read_predictions(path, columns=["time", "elsewhere"]).columns["time"].tolist() == [1.5, 2.5, 3.5]
    assert set(read_predictions(path).columns) == {"domain", "time"}
    require_columns([path, path], ["time"])
    with pytest.raises(InputError, match=r"unknown column 'tim'\. Did you mean 'time'"):
        require_columns([path], ["tim"])
    with pytest.raises(InputError, match="no further columns"):
        require_columns([csv(tmp_path, "sample_id,label,logit_0\n")], ["x"])


def test_a_huge_id_is_named_in_short(tmp_path):
    ids = ["x" * 10**6, "b", "c"]
    with pytest.raises(InputError, match=r"'x+\.\.\.x+ \(1,000,000 characters\)': at most 4,096") as error:
        read_predictions(parquet(tmp_path, sample_id=ids))
    assert len(str(error.value)) < 300
    with pytest.raises(InputError, match="repeat a sample_id") as error:
        read_predictions(parquet(tmp_path, sample_id=["y" * 4000] * 3))
    assert len(str(error.value)) < 500


def test_a_column_that_unpacks_without_end(tmp_path, monkeypatch):
    """Equal numbers without end are a few kilobytes of Parquet, and are refused before they are read."""
    monkeypatch.setattr(tables, "_LARGE", 10_000_000)
    count, path = 1_000_000, tmp_path / "p.parquet"
    piece = pa.table({name: pa.array(np.zeros(count, np.int64)) for name in ("sample_id", "label", "prediction")})
    with pq.ParquetWriter(path, piece.schema, compression="zstd") as writer:
        for _ in range(6):
            writer.write_table(piece, row_group_size=count)
    assert path.stat().st_size < 100_000
    before = pa.total_allocated_bytes()
    with pytest.raises(InputError, match=r"would unpack from 0\.1 MB to 0\.1 GB"):
        read_predictions(path)
    assert pa.total_allocated_bytes() - before < 1e6


def test_long_words_repeated_are_held_once(tmp_path):
    """A word of 4,000 characters in 10,000 rows would be 160 MB side by side."""
    count = 10_000
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["x" * 4000]))
    table = pa.table({"sample_id": [str(k) for k in range(count)], "domain": words.cast(pa.string())})
    pq.write_table(table, tmp_path / "p.parquet")
    found = read_table(tmp_path / "p.parquet", lambda name: name == "domain").columns["domain"]
    assert pa.types.is_dictionary(found.type)
    assert found.nbytes < 1e6


@pytest.mark.parametrize(
    "cells", ['"[1],[2]"', '"[1, null]"', '"{}"', '"[[1], [2]]"', '"1"', '"' + "[" * 9999 + '"', '"[1e999, 0]"']
)
def test_cells_that_are_no_lists_of_numbers(tmp_path, cells):
    with pytest.raises(InputError, match=r"lists of numbers|not finite|values"):
        read_predictions(csv(tmp_path, f'sample_id,label,logits\na,0,{cells}\nb,0,"[1, 0]"\n'))


@pytest.mark.parametrize("labels", [[0, 1, 2**63], [0, 1, 1e300], [0, 1, float("inf")], [0.5, 1, 2]])
def test_labels_that_are_no_whole_numbers(tmp_path, labels):
    kind = pa.uint64() if isinstance(labels[-1], int) and labels[-1] > 2**60 else pa.float64()
    with pytest.raises(InputError, match="column 'label' must hold whole numbers"):
        read_predictions(parquet(tmp_path, label=pa.array(labels, kind)))


def test_codes_that_point_at_no_word(tmp_path, monkeypatch):
    """Arrow reads them as they stand; what follows one would look beyond the list."""
    path = parquet(tmp_path)
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 1, 30], pa.int32()), pa.array(["x", "y"]), safe=False)
    damaged = pa.table({"sample_id": codes, "label": [0, 1, 2], "prediction": [0, 1, 1]})
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: damaged)
    with pytest.raises(InputError, match="cannot be read as parquet"):
        read_predictions(path)
