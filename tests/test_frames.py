"""Tables in memory say what the same file says, with the same sentences where they are wrong."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import modelheir
from modelheir.checks import InputError
from modelheir.frames import to_arrow
from modelheir.runs.predictions import read_predictions, take_predictions

N, C = 12, 3
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(N, C)).astype(np.float32)
COLUMNS = {
    "sample_id": [f"im{k}" for k in range(N)],
    "label": [k % C for k in range(N)],
    "prediction": LOGITS.argmax(1).tolist(),
    "site": ["north", "south"] * (N // 2),
    "logits": LOGITS.tolist(),
}


TWICE = pa.table([*map(pa.array, COLUMNS.values()), pa.array([0] * N)], [*COLUMNS, "label"])


class Frame:
    """A frame of another library: it offers a stream of record batches and nothing else."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class Older:
    """A frame of the time before the capsule interface."""

    def __init__(self, table):
        self.to_arrow = lambda: table


class Exchange:
    """A frame that knows the interchange protocol alone."""

    def __init__(self, table):
        self.__dataframe__ = table.__dataframe__


def views(table):
    """Store text as polars hands it out."""
    words = pa.array(COLUMNS["site"]).dictionary_encode().cast(pa.dictionary(pa.uint32(), pa.string_view()))
    table = table.set_column(0, "sample_id", table["sample_id"].cast(pa.string_view()))
    return table.set_column(table.column_names.index("site"), "site", words)


def pandas_frame(table):
    return pytest.importorskip("pandas").DataFrame({name: table[name].to_pylist() for name in table.column_names})


KINDS = {
    "table": lambda table: table,
    "batch": lambda table: table.combine_chunks().to_batches()[0],
    "capsule": Frame,
    "views": lambda table: Frame(views(table)),
    "to_arrow": Older,
    "interchange": lambda table: Exchange(table.drop_columns("logits")),  # which knows no lists
    "pandas": pandas_frame,
    "lists": lambda table: table.to_pydict(),
    "arrays": lambda table: {
        **{name: np.array(table[name].to_pylist()) for name in table.column_names},
        "sample_id": np.array(table["sample_id"].to_pylist(), object),
    },
    "arrow columns": lambda table: {name: table[name] for name in table.column_names},
}


every_kind = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.extras] * (kind == "pandas")) for kind in KINDS]
)


@every_kind
def test_a_table_says_what_its_file_says(kind, tmp_path):
    table = pa.table(COLUMNS)
    pq.write_table(table, tmp_path / "a.parquet")
    expected, found = read_predictions(tmp_path / "a.parquet"), take_predictions(KINDS[kind](table), "the old table")
    for name in ("sample_id", "label", "prediction"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.columns["site"].tolist() == COLUMNS["site"]
    assert set(found.columns) == {"site"}
    if kind != "interchange":
        np.testing.assert_array_equal(found.logits, LOGITS)


@every_kind
def test_compare_takes_it(kind, tmp_path):
    new = pa.table({**COLUMNS, "prediction": COLUMNS["label"], "logits": np.eye(C)[COLUMNS["label"]].tolist()})
    for name, table in (("old", pa.table(COLUMNS)), ("new", new)):
        pq.write_table(table.drop_columns("logits"), tmp_path / f"{name}.parquet")
    expected = modelheir.compare(tmp_path / "old.parquet", tmp_path / "new.parquet", slice="site")
    make = KINDS[kind]
    found = modelheir.compare(make(pa.table(COLUMNS)), make(new), slice="site")
    assert found.flips == expected.flips
    assert found.slices == expected.slices
    assert modelheir.compare(tmp_path / "old.parquet", make(new)).flips == expected.flips  # one of each


def test_a_table_of_our_own_file_knows_its_classes():
    table = pa.table({**COLUMNS, "label": ["cat", "dog", "emu"] * (N // 3)})
    note = {b"modelheir": b'{"classes": ["cat", "dog", "emu"]}'}
    assert take_predictions(table.replace_schema_metadata(note), "x").classes == ("cat", "dog", "emu")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": None}, "the new table has no column 'label'"),
        (
            {"sample_id": ["im0"] * N},
            "the new table has 11 rows (im0, im0, im0, im0, im0, ...) that repeat a sample_id",
        ),
        ({"prediction": [0.5] * N}, "the new table: column 'prediction' must hold whole numbers or class names"),
        ({"prediction": [0] * N}, "a prediction that is not the largest of their logits"),
        ({"label": [0, 1]}, "the new table has columns of different lengths: sample_id 12, label 2"),
        ({"label": "0" * N}, "the new table: column 'label' must be an array or a list with one value a row"),
        ({"site": np.zeros((N, 2, 2))}, "column 'site' must be an array or a list with one value a row"),
        ({"site": [0, "a"] * 6}, "the new table: column 'site' holds values that are not of one kind"),
        ({"logits": np.zeros((N, 0))}, "the new table"),
        ({name: [] for name in COLUMNS}, "the new table holds no rows"),
    ],
)
def test_a_wrong_column_is_a_sentence(change, said):
    columns = {name: values for name, values in {**COLUMNS, **change}.items() if values is not None}
    with pytest.raises(InputError) as error:
        modelheir.compare(COLUMNS, columns, slice="site")
    assert said in str(error.value)


def test_what_is_no_table_is_a_sentence():
    for given in (3, None, ["a"], {"a"}):
        with pytest.raises(InputError, match=rf"the old table is of the type {type(given).__name__}: give a path"):
            modelheir.compare(given, COLUMNS)
    with pytest.raises(InputError, match="the old table cannot be read as a table: "):
        modelheir.compare(Frame(pa.chunked_array([[1, 2]])), COLUMNS)  # a stream of numbers, not of rows
    with pytest.raises(InputError, match="the old table has 2 columns called 'label': keep one"):
        modelheir.compare(TWICE, COLUMNS)
    with pytest.raises(InputError, match="'sites'"):
        modelheir.compare(COLUMNS, COLUMNS, slice="sites")
    with pytest.raises(InputError, match="the old table"):
        modelheir.compare(COLUMNS, {**COLUMNS, "sample_id": [f"other{k}" for k in range(N)]})


def test_an_ensemble_takes_tables():
    found = modelheir.ensemble([COLUMNS, pa.table(COLUMNS)])
    np.testing.assert_allclose(found.predictions.logits, LOGITS, rtol=1e-6)


def test_no_frame_library_is_imported():
    before = set(sys.modules)
    to_arrow(Frame(pa.table(COLUMNS)), "x")
    to_arrow(COLUMNS, "x")
    assert not {name for name in set(sys.modules) - before if name.partition(".")[0] in ("pandas", "polars")}
