from pathlib import Path

import pytest

from modelheir.checks import InputError
from modelheir.runs.outputs import check_outputs, page_files


def test_an_input_is_found_behind_links_and_detours(tmp_path):
    old = tmp_path / "old.csv"
    old.write_text("x")
    (tmp_path / "link.csv").symlink_to(old)
    (tmp_path / "folder").mkdir()
    for way in (old, tmp_path / "link.csv", tmp_path / "folder" / ".." / "old.csv"):
        with pytest.raises(InputError, match=r"would replace .*old\.csv, which is read: choose another name"):
            check_outputs([tmp_path / "new.json", way], [old])
    check_outputs([tmp_path / "new.json", tmp_path / "old.json"], [old])


def test_one_file_is_not_written_twice(tmp_path):
    with pytest.raises(InputError, match=r"would replace .*a\.html, which is written too"):
        check_outputs([tmp_path / "a.html", tmp_path / "a.html"], [])


def test_the_table_stands_beside_the_page():
    assert page_files(Path("x/v1.2.html")) == (Path("x/v1.2.html"), Path("x/v1.2.table.csv"))
    assert page_files(Path("x.HTM"))[1] == Path("x.table.csv")
    with pytest.raises(InputError, match=r"--html new\.csv: the page's name must end in \.html"):
        page_files(Path("new.csv"))
