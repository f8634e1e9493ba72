from pathlib import Path

import pytest

from modelheir.checks import InputError
from modelheir.runs.prediction_files import find_files, short_names


@pytest.fixture
def runs(tmp_path):
    for name, splits in (("v1", ("test", "val")), ("v2", ("val",)), ("v3", ())):
        (tmp_path / name / "predictions").mkdir(parents=True)
        for split in splits:
            (tmp_path / name / "predictions" / f"{split}.parquet").touch()
    return tmp_path


def test_test_first_and_val_with_a_word(runs):
    v1, v2, file = runs / "v1", runs / "v2", runs / "x.csv"
    assert find_files([v1, file], None) == ([v1 / "predictions" / "test.parquet", file], "")
    files, note = find_files([v1, v2], None)
    assert [path.name for path in files] == ["val.parquet"] * 2
    assert "val is compared" in note
    assert find_files([v1, v2], "val")[1] == ""


def test_what_is_not_there_is_said(runs):
    with pytest.raises(InputError, match=r"v2 has no predictions of test that can be compared; it has only val"):
        find_files([runs / "v1", runs / "v2"], "test")
    with pytest.raises(InputError, match=r"v3 has no predictions of test or val .*make some with `modelheir predict`"):
        find_files([runs / "v3"], None)


def test_names_are_short_and_never_the_same(runs):
    assert short_names([runs / "v1", Path("a/new.csv")]) == ["v1", "new"]
    assert short_names([Path("a/new.csv"), Path("b/new.csv")]) == ["a/new.csv", "b/new.csv"]
    assert short_names([Path("a.csv"), Path("a.csv")]) == ["a.csv (1)", "a.csv (2)"]
