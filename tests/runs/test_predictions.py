import csv as csv_module
import errno
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.runs.predictions import members_of, read_predictions, write_predictions
from modelheir.types import Predictions

N, C = 7, 3


@pytest.fixture
def found():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(N, C)).astype(np.float32)
    return Predictions(
        sample_id=np.array([f"img/{i}" for i in range(N)]),
        label=np.array([0, 1, 2, 0, 1, 2, -1]),
        prediction=logits.argmax(1),
        logits=logits,
        classes=("cat", "<b>", "Ünï"),
        columns={"domain": np.array(list("aabbccd")), "year": np.arange(N)},
        features=rng.normal(size=(N, 4)).astype(np.float32),
    )


def replace(found, **changes):
    import dataclasses

    return dataclasses.replace(found, **changes)


def test_a_round_trip_keeps_everything(found, tmp_path):
    path = tmp_path / "deep" / "er" / "test.parquet"
    write_predictions(path, found, members=3)
    back = read_predictions(path)
    for name in ("sample_id", "label", "prediction", "logits", "features"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert back.classes == found.classes
    assert back.logits.dtype == np.float32
    assert back.label.dtype == np.int64
    assert back.columns["domain"].tolist() == list("aabbccd")
    assert back.columns["year"].tolist() == list(range(N))
    assert members_of(path) == 3  # the old system forgot this, and counted an ensemble as one model
    assert [file.name for file in path.parent.iterdir()] == ["test.parquet"]
    assert str(pq.read_schema(path).field("logits").type) == "list<element: float>"


@pytest.mark.parametrize("score", ["logits", "probabilities"])
def test_csv_keeps_every_value_and_runs_in_no_spreadsheet(found, tmp_path, monkeypatch, score):
    monkeypatch.setattr("modelheir.runs.predictions._ROWS", 3)  # several parts, one header
    ids = np.array(["=1+1", "'=1+1", "''-a", "@b,c", 'q"uo\nte', "'plain", "007"])
    values = found.logits if score == "logits" else np.full((N, C), 1 / C, np.float32)
    found = replace(
        found,
        sample_id=ids,
        prediction=values.argmax(1),
        columns={"site": np.array(["", "+x", "a", "a", "a", "a", "a"]), "year": -np.arange(N)},
        **{"logits": None, score: values},
    )
    path = tmp_path / "new" / "a.csv"
    write_predictions(path, found)
    back = read_predictions(path)
    for name in ("sample_id", "label", "prediction", score, "features"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert back.columns["site"].tolist() == [None, "+x", "a", "a", "a", "a", "a"]
    assert back.columns["year"].tolist() == (-np.arange(N)).tolist()
    with path.open(newline="", encoding="utf-8") as handle:
        header, *rows = csv_module.reader(handle)
    stem = {"logits": "logit", "probabilities": "prob"}[score]
    assert header == [
        "sample_id",
        "label",
        "prediction",
        "site",
        "year",
        *(f"{stem}_{k}" for k in range(C)),
        "features",
    ]
    assert [row[0] for row in rows] == ["'=1+1", "''=1+1", "'''-a", "'@b,c", 'q"uo\nte', "'plain", "007"]
    assert rows[1][3] == "'+x"
    np.testing.assert_array_equal(np.array([row[5 : 5 + C] for row in rows], np.float32), values)


def test_csv_refuses_lists_in_a_further_column_and_leaves_nothing(found, tmp_path):
    nested = np.empty(N, object)
    nested[:] = [[1, 2]] * N
    with pytest.raises(InputError, match=r"column 'boxes' holds list<.*CSV cannot: let the name end in .parquet"):
        write_predictions(tmp_path / "a.csv", replace(found, columns={"boxes": nested}))
    assert list(tmp_path.iterdir()) == []


def test_many_row_groups(tmp_path, monkeypatch, found):
    monkeypatch.setattr("modelheir.runs.predictions._ROWS", 3)
    write_predictions(tmp_path / "a.parquet", found)
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    np.testing.assert_array_equal(read_predictions(tmp_path / "a.parquet").logits, found.logits)


def test_a_full_disk_leaves_the_old_file_and_no_half_of_a_new_one(found, tmp_path, monkeypatch):
    path = tmp_path / "test.parquet"
    write_predictions(path, found)
    before = path.read_bytes()

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(InputError, match="No space left"):
        write_predictions(path, replace(found, label=found.label * 0))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["test.parquet"]


def test_foreign_parquet_with_wide_columns(tmp_path):
    table = pa.table(
        {
            "sample_id": [3, 1, 2],
            "label": pa.array([0.0, None, 1.0]),
            "prob_1": [0.25, 0.9, 0.5],
            "prob_0": [0.75, 0.1, 0.5],
            "site": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    back = read_predictions(tmp_path / "a.parquet")
    assert back.sample_id.tolist() == ["3", "1", "2"]
    assert back.label.tolist() == [0, -1, 1]
    assert back.prediction.tolist() == [0, 1, 0]
    np.testing.assert_allclose(back.probabilities, [[0.75, 0.25], [0.1, 0.9], [0.5, 0.5]])
    assert back.logits is None
    assert back.columns["site"].tolist() == ["x", "y", "x"]
    assert members_of(tmp_path / "a.parquet") == 1


def test_foreign_csv_with_names_and_with_lists(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sample_id,label,prediction,site\n007,cat,dog,NA\n08,dog,dog,b\n")
    back = read_predictions(path)
    assert back.sample_id.tolist() == ["007", "08"]
    assert back.classes == ("cat", "dog")
    assert back.label.tolist() == [0, 1]
    assert back.prediction.tolist() == [1, 1]
    assert back.columns["site"].tolist() == ["NA", "b"]
    path.write_text('sample_id,label,logits\na,dog,"[0.5, 1.0]"\nb,,"[2, 1]"\n')
    back = read_predictions(path, classes=["dog", "cat"])
    assert back.label.tolist() == [0, -1]
    assert back.prediction.tolist() == [1, 0]


def csv(text):
    def make(folder):
        (folder / "a.csv").write_text(text)
        return folder / "a.csv"

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path / "none.parquet", "does not exist"),
        (lambda path: path, r"must end in \.parquet or \.csv"),
        (csv(""), "cannot be read as csv"),
        (csv("sample_id,label,prediction\n"), "holds no rows"),
        (csv("sampl_id,label,prediction\na,0,0\n"), "no column 'sample_id'.*mean 'sampl_id'"),
        (csv("sample_id,label\na,0\n"), "no column 'prediction'.*logits"),
        (csv("sample_id,label,prediction\na,0,0\n,0,0\n"), "1 rows have no sample_id"),
        (
            csv("sample_id,label,prediction\n" + "a,0,0\n" * 9),
            r"8 rows \(a, a, a, a, a, \.\.\.\) that repeat a sample_id",
        ),
        (csv("sample_id,label,prediction\na,0,-3\nb,0,0\n"), r"1 row \(a\) with a prediction below zero"),
        (csv("sample_id,label,prediction\na,0.5,0\n"), "whole numbers"),
        (csv("sample_id,label,prediction\na,0,\nb,0,1\n"), "1 rows have no prediction"),
        (csv("sample_id,label,logit_0,logit_1\na,0,nan,1\nb,0,1,2\n"), r"1 row \(a\) with logits that are not finite"),
        (csv("sample_id,label,logit_0,logit_1\na,0,inf,1\nb,0,1,2\n"), r"1 row \(a\) with logits that are not finite"),
        (csv("sample_id,label,logit_0,logit_2\na,0,2,1\n"), "no logit_1"),
        (csv("sample_id,label,logit_0,logit_1\na,0,x,1\n"), "'logit_0' must hold numbers"),
        (csv("sample_id,label,prob_0,prob_1\na,0,0.5,0.6\n"), "adding up to 1"),
        (csv("sample_id,label,prob_0,prob_1\na,0,1.5,-0.5\n"), "below 0"),
        (csv("sample_id,label,prediction,logit_0,logit_1\na,0,0,1,2\nb,0,1,1,2\n"), r"1 row \(a\).*not the largest"),
        (csv("sample_id,label,logit_0,logit_1\na,2,1,2\n"), "label outside the 2 classes, such as 2"),
        (csv("sample_id,label,logit_0,logit_1\na,cat,1,2\n"), "--classes"),
        (csv('sample_id,label,logits\na,0,"[1, 2]"\nb,0,"[1, 2]"\nc,0,"[1]"\n'), r"2 values.*1 row \(c\)"),
        (csv('sample_id,label,logits\na,0,"[1; 2]"\n'), "lists of numbers"),
        (csv("sample_id,label,logits\na,0,5\n"), "lists of numbers"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, make, words):
    with pytest.raises(InputError, match=words) as error:
        read_predictions(make(tmp_path))
    assert "\n" not in str(error.value)


def test_a_broken_parquet_file(tmp_path, found):
    path = tmp_path / "a.parquet"
    write_predictions(path, found)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be read as parquet"):
        read_predictions(path)


def test_classes_of_the_file_and_of_the_caller(tmp_path, found):
    write_predictions(tmp_path / "a.parquet", found)
    with pytest.raises(InputError, match="differ"):
        read_predictions(tmp_path / "a.parquet", classes=["a", "b", "c"])
    (tmp_path / "b.csv").write_text("sample_id,label,prediction\na,ct,cat\n")
    with pytest.raises(InputError, match=r"unknown classes: ct.*mean 'cat'"):
        read_predictions(tmp_path / "b.csv", classes=["cat", "dog"])
    with pytest.raises(InputError, match="twice"):
        read_predictions(tmp_path / "b.csv", classes=["cat", "cat"])


def test_the_writer_refuses_what_the_reader_would(tmp_path, found):
    with pytest.raises(InputError, match="not finite"):
        write_predictions(tmp_path / "a.parquet", replace(found, logits=found.logits * np.nan))
    with pytest.raises(InputError, match="meaning of its own"):
        write_predictions(tmp_path / "a.parquet", replace(found, columns={"logit_3": np.zeros(N)}))
    with pytest.raises(ValueError, match="lengths"):
        write_predictions(tmp_path / "a.parquet", replace(found, columns={"domain": np.zeros(2)}))
    assert not list(tmp_path.iterdir())


def test_metadata_is_readable_by_others(tmp_path, found):
    write_predictions(tmp_path / "a.parquet", found)
    about = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"modelheir"])
    assert about == {"version": 1, "classes": ["cat", "<b>", "Ünï"], "members": 1}
