"""One number an image from a table: joined by id, complete, finite."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.runs import read_column


def table(tmp_path, ids, values, name="x"):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"sample_id": ids, name: values}), path)
    return path


def test_values_follow_the_ids_whatever_the_order(tmp_path):
    rng = np.random.default_rng(0)
    ids = np.array([f"i{k}" for k in rng.permutation(50)])
    path = table(tmp_path, ids.tolist(), [float(i[1:]) for i in ids])
    wanted = np.array(["i7", "i31", "i0"])
    assert read_column(path, "x", wanted).tolist() == [7.0, 31.0, 0.0]


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        (["a"], [1.0], "1 of 2 images have no row: b"),
        ([], [], "2 of 2 images have no row"),
        (["a", "b", "b"], [1.0, 2.0, 2.0], "1 sample ids stand there twice, such as b"),
        (["a", "b"], [1.0, float("nan")], "x is not a number for 1 images: b"),
    ],
)
def test_what_is_wrong_is_counted_and_named(tmp_path, ids, values, message):
    path = table(tmp_path, pa.array(ids, pa.string()), pa.array(values, pa.float64()))
    with pytest.raises(InputError, match=message):
        read_column(path, "x", np.array(["a", "b"]))


def test_missing_column_and_file(tmp_path):
    path = table(tmp_path, ["a"], [1.0], name="likelihod")
    with pytest.raises(InputError, match="Did you mean 'likelihod'"):
        read_column(path, "likelihood", np.array(["a"]))
    with pytest.raises(InputError, match="none is missing or is no file"):
        read_column(tmp_path / "none", "x", np.array(["a"]))
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(InputError, match="cannot be read as parquet"):
        read_column(tmp_path / "text.parquet", "x", np.array(["a"]))


@pytest.mark.parametrize("values", [[[1.0]], ["one"], [{"a": 1}]])
def test_only_numbers(tmp_path, values):
    with pytest.raises(InputError, match="column 'x' must hold numbers, not"):
        read_column(table(tmp_path, ["a"], values), "x", np.array(["a"]))
