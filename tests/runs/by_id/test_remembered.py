"""The list of remembered images on disk: it grows, loses nothing, and nothing else is taken for it."""

import datetime
import random
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.runs.by_id import remembered
from modelheir.runs.by_id.remembered import Remembered, add_remembered, read_remembered
from modelheir.runs.lock import locked

DAY = datetime.date(2026, 11, 29)
KINDS = {name: pa.string() for name in ("sample_id", "release", "file", "label")}
KINDS |= {"confidence": pa.float64(), "date": pa.date32()}


def rows(ids, release="v2", file="v2.csv", confidence=0.5):
    n = len(ids)
    return Remembered(tuple(ids), (release,) * n, (file,) * n, ("cat",) * n, (confidence,) * n, (DAY,) * n)


def write(path, **changes):
    """Write a list of one row as another program would, with some columns changed; ``None`` leaves one out."""
    columns = {name: pa.array([DAY if name == "date" else 0.5 if name == "confidence" else "x"], kind)
               for name, kind in KINDS.items()}  # fmt: skip
    columns |= changes
    pq.write_table(pa.table({name: values for name, values in columns.items() if values is not None}), path)
    return path


def test_what_is_added_is_read_by_any_reader(tmp_path):
    path = tmp_path / "new" / "flips.parquet"
    assert add_remembered(path, rows(["a", "ü"], confidence=None)) == (2, 2)
    table = pq.read_table(path)
    assert table.schema == pa.schema(list(KINDS.items()))
    about = {"release": "v2", "file": "v2.csv", "label": "cat", "confidence": None, "date": DAY}
    assert table.to_pylist() == [{"sample_id": "a", **about}, {"sample_id": "ü", **about}]
    found = read_remembered(path)
    assert found.path == str(path)
    assert (found.sample_id, found.confidence, found.date) == (("a", "ü"), (None, None), (DAY, DAY))


def test_a_list_grows_by_what_it_lacks_and_keeps_its_rows(tmp_path):
    """Held against a list of tuples that is grown by hand."""
    path, draw, held = tmp_path / "f.parquet", random.Random(0), []
    for _ in range(12):
        ids = draw.sample("abcdefgh", draw.randrange(6))
        release, file = draw.choice(["v2", "v3"]), draw.choice(["one.csv", "two.csv"])
        fresh = [(name, release, file) for name in ids if (name, release, file) not in held]
        held += fresh
        assert add_remembered(path, rows(ids, release, file)) == (len(fresh), len(held))
        assert read_remembered(path).keys == held


def test_nothing_to_add_makes_an_empty_list_and_leaves_a_full_one(tmp_path):
    path = tmp_path / "f.parquet"
    assert add_remembered(path, Remembered()) == (0, 0)
    assert len(read_remembered(path)) == 0
    add_remembered(path, rows("ab"))
    before = path.stat()
    assert add_remembered(path, rows("ba", confidence=0.9)) == (0, 2)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert read_remembered(path).confidence == (0.5, 0.5)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.parquet").symlink_to(tmp_path / "f.parquet")
    add_remembered(tmp_path / "f.parquet", rows("a"))
    assert add_remembered(tmp_path / "link.parquet", rows("b")) == (1, 2)
    assert (tmp_path / "link.parquet").is_symlink()
    assert read_remembered(tmp_path / "f.parquet").sample_id == ("a", "b")


def test_many_writers_lose_no_row(tmp_path):
    path = tmp_path / "f.parquet"

    def add(number):
        for k in range(5):
            add_remembered(path, rows([f"{number}-{k}"]))

    writers = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(read_remembered(path).sample_id) == sorted(f"{i}-{k}" for i in range(6) for k in range(5))


def test_whoever_waits_too_long_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "_PATIENCE", 0.1)
    path = tmp_path / "f.parquet"
    add_remembered(path, rows("a"))
    with (
        locked(tmp_path / ".f.parquet.lock"),
        pytest.raises(InputError, match=r"f\.parquet is being written by another process: wait for it"),
    ):
        add_remembered(path, rows("b"))
    assert add_remembered(path, rows("b")) == (1, 2)


def test_a_crash_while_writing_leaves_the_list_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "f.parquet"
    add_remembered(path, rows("ab"))
    before = path.read_bytes()

    def half(table, target, **_):
        target.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(InputError, match="No space left on device"):
        add_remembered(path, rows("c"))
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [".f.parquet.lock", "f.parquet"]


def test_a_list_of_another_program_is_read(tmp_path):
    """Other kinds of text, another order of the columns, an empty class name, not a number for no confidence."""
    path = tmp_path / "f.parquet"
    words = pa.array(["x"]).dictionary_encode()
    write(path, sample_id=pa.array(["x"], pa.large_string()), release=words, label=pa.array([""]),
          confidence=pa.array([float("nan")], pa.float32()))  # fmt: skip
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[::-1]), path)
    assert read_remembered(path) == Remembered(("x",), ("x",), ("x",), ("",), (None,), (DAY,), str(path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "it has no 'label'"),
        ({"note": pa.array(["x"])}, "'note' is none of them"),
        ({"sample_id": pa.array([1])}, "'sample_id' must hold text, not int64"),
        ({"release": pa.array([None], pa.string())}, "1 rows have no release"),
        ({"sample_id": pa.array([""])}, "1 rows have no sample_id"),
        ({"confidence": pa.array(["high"])}, "'confidence' must hold numbers, not "),
        ({"date": pa.array([None], pa.date32())}, "not every row has a date"),
        ({"date": pa.array(["2026-11-29"])}, "not every row has a date"),
        ({"date": pa.array([10**9], pa.int32()).cast(pa.date32())}, "a date cannot be read"),
    ],
)
@pytest.mark.parametrize("use", [read_remembered, lambda path: add_remembered(path, rows("a"))])
def test_what_is_no_such_list_is_refused_and_stays(tmp_path, changes, message, use):
    path = write(tmp_path / "f.parquet", **changes)
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"f.parquet is no list of remembered images .sample_id, .*{message}") as found:
        use(path)
    assert "\n" not in str(found.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("use", [read_remembered, lambda path: add_remembered(path, rows("a"))])
def test_a_file_that_cannot_be_a_list_is_one_sentence(tmp_path, use):
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(InputError, match=r"name must end in \.parquet"):
        use(tmp_path / "f.csv")
    with pytest.raises(InputError, match=r"folder.parquet is a folder"):
        use(tmp_path / "folder.parquet")
    with pytest.raises(InputError, match=r"text.parquet cannot be read as parquet"):
        use(tmp_path / "text.parquet")
    assert (tmp_path / "text.parquet").read_text() == "no table"
    assert not (tmp_path / "f.csv").exists()


def test_a_missing_list_is_empty_only_where_it_may_be(tmp_path):
    with pytest.raises(InputError, match=r"f\.parquet does not exist"):
        read_remembered(tmp_path / "f.parquet")
    assert len(read_remembered(tmp_path / "f.parquet", missing=True)) == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*f\.parquet: (Not a directory|File exists)"):
        add_remembered(tmp_path / "file" / "f.parquet", rows("a"))
