"""Features from files: Parquet, CSV, or a .npy with its ids beside it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.runs import feature_files, read_features

IDS = ["c", "a", "b"]
VALUES = np.arange(6, dtype=np.float32).reshape(3, 2)
ROWS = VALUES.tolist()


def table(path, values=ROWS, ids=IDS, column="features", **more):
    pq.write_table(pa.table({"sample_id": ids, **({column: values} if values is not None else {}), **more}), path)
    return path


@pytest.mark.parametrize("column", ["features", "embedding"])
def test_a_list_column_of_parquet(tmp_path, column):
    found = read_features(table(tmp_path / "f.parquet", column=column))
    assert found.sample_id.tolist() == IDS
    assert found.values.tolist() == VALUES.tolist()


def test_among_further_columns_it_is_called_features(tmp_path):
    path = table(tmp_path / "f.parquet", logits=[[9.0]] * 3)
    assert read_features(path).values.tolist() == VALUES.tolist()
    with pytest.raises(InputError, match="no column 'features', which features need; it has: sample_id, x, logits"):
        read_features(table(path, column="x", logits=[[9.0]] * 3))


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_a_memory_map_with_ids_beside_it(tmp_path, ending):
    path = tmp_path / "f.npy"
    np.save(path, VALUES)
    if ending == ".csv":
        path.with_suffix(ending).write_text("sample_id,more\nc,1\na,2\nb,3\n")
    else:
        table(path.with_suffix(ending), None)
    found = read_features(path)
    assert isinstance(found.values, np.memmap)
    assert found.sample_id.tolist() == IDS
    assert found.values.tolist() == VALUES.tolist()
    assert feature_files(path) == [path, path.with_suffix(ending)]
    assert feature_files(path.with_suffix(ending)) == [path.with_suffix(ending)]


def test_csv_lists(tmp_path):
    rows = [f'{name},"{json.dumps(row)}"' for name, row in zip(IDS, VALUES.tolist(), strict=True)]
    (tmp_path / "f.csv").write_text("\n".join(["sample_id,features", *rows]))
    assert read_features(tmp_path / "f.csv").values.tolist() == VALUES.tolist()


def test_what_is_wrong_is_said(tmp_path):
    path = tmp_path / "f.npy"
    with pytest.raises(InputError, match=r"f\.npy does not exist"):
        read_features(path)
    with pytest.raises(InputError, match=r"f\.parquet does not exist"):
        read_features(tmp_path / "f.parquet")
    np.save(path, VALUES)
    with pytest.raises(InputError, match=r"has no ids: .*f\.parquet or f\.csv beside it"):
        read_features(path)
    table(tmp_path / "f.parquet", None, ids=IDS[:2])
    with pytest.raises(InputError, match=r"f\.npy has 3 rows and .*f\.parquet 2 sample ids"):
        read_features(path)
    for spoiled in (np.zeros(3), np.zeros((3, 0)), np.array([["a"]])):
        np.save(path, spoiled)
        with pytest.raises(InputError, match=r"numbers of shape \(images, features\)"):
            read_features(path)
    np.save(path, np.array([[None]]), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as a NumPy array"):
        read_features(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read as a NumPy array"):
        read_features(path)
    ragged = table(tmp_path / "r.parquet", [[1.0, 2.0], [1.0], [3.0, 4.0]])
    with pytest.raises(InputError, match=r"features has 2 values in most rows, but 1 row \(a\) have others"):
        read_features(ragged)
    with pytest.raises(InputError, match="repeat a sample_id"):
        read_features(table(tmp_path / "t.parquet", ids=["a", "a", "b"]))
    pq.write_table(pa.table({"features": VALUES.tolist()}), tmp_path / "n.parquet")
    with pytest.raises(InputError, match="no column 'sample_id'"):
        read_features(tmp_path / "n.parquet")
