"""A table of metadata: the columns asked for, by sample id; what is wrong is one sentence."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.runs.by_id.metadata import read_metadata


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_and_ids(tmp_path, kind):
    path = tmp_path / f"m.{kind}"
    if kind == "csv":
        path.write_text("country,sample_id,year,more\njp,007,2020,x\n,8,2021,y\n")
    else:
        table = {"country": ["jp", None], "sample_id": ["007", "8"], "year": [2020, 2021], "more": [[1], [2, 3]]}
        pq.write_table(pa.table(table), path)
    found = read_metadata(path, ["year", "site", "country"])
    assert found.sample_id.tolist() == ["007", "8"]
    assert {name: values.tolist() for name, values in found.columns.items()} == {
        "year": [2020, 2021],
        "country": ["jp", None],
    }
    assert found.path == path


def test_what_is_not_asked_for_is_not_read(tmp_path):
    """A column that is there twice is refused by whoever reads it."""
    path = tmp_path / "m.csv"
    path.write_text("sample_id,country,x,x\na,jp,1,2\n")
    assert list(read_metadata(path, ["country"]).columns) == ["country"]
    with pytest.raises(InputError, match="2 columns called 'x'"):
        read_metadata(path, ["x"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample-id,country\na,jp\n", r"no column 'sample_id', by which it is joined. Did you mean 'sample-id'\?"),
        ("sample_id,country\na,jp\nb,de\na,jp\n", r"1 row \(a\) that repeat a sample_id: keep one row each"),
        ("sample_id,country\n,jp\n", "1 rows have no sample_id"),
        ("sample_id,contry,x\na,jp,1\n", r"none of the columns to slice by \(country\): it has contry, x\."),
        ("sample_id\na\n", r"none of the columns to slice by \(country\): it has no other\."),
        ("sample_id,country\n", "holds no rows"),
        ("", "cannot be read as csv: it is empty"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as found:
        read_metadata(path, ["country"])
    assert "m.csv" in str(found.value)
    assert "\n" not in str(found.value)


def test_cells_hold_one_value(tmp_path):
    pq.write_table(pa.table({"sample_id": ["a"], "country": [["jp"]]}), tmp_path / "m.parquet")
    with pytest.raises(InputError, match="column 'country' must hold one text or number a row"):
        read_metadata(tmp_path / "m.parquet", ["country"])
    with pytest.raises(InputError, match=r"none.csv does not exist"):
        read_metadata(tmp_path / "none.csv", ["country"])
