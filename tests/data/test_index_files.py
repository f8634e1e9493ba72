import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data.index_files import read_index_file, write_index_file

IDS = np.array([f"img{row:02d}" for row in range(20)])


@pytest.mark.parametrize(
    ("text", "ids", "rows"),
    [
        ("3\n1\n19\n", IDS, [1, 3, 19]),
        ("img05\nimg01\n", IDS, [1, 5]),
        ("# of the paper\n\n 4 \n", IDS, [4]),
        ("position\n2\n0\n", ["0", "2", "1"], [0, 2]),
        ("sample_id\n2\n0\n", ["0", "2", "1"], [0, 1]),
        ("0\n2\n", ["0", "1", "2"], [0, 2]),  # both readings name the same rows
        ("7\n8\n", ["7", "8", "9"], [0, 1]),  # no positions: there are three images
        ("2\n", ["10", "20", "30"], [2]),
    ],
)
def test_positions_and_ids(tmp_path, text, ids, rows):
    (tmp_path / "list.txt").write_text(text)
    assert read_index_file(tmp_path / "list.txt", ids).tolist() == rows


def test_what_is_written_is_read_in_any_order_of_the_set(tmp_path):
    write_index_file(tmp_path / "kept.txt", IDS[[4, 2]])
    order = np.random.default_rng(0).permutation(20)
    rows = read_index_file(tmp_path / "kept.txt", IDS[order])
    assert set(IDS[order][rows]) == {"img04", "img02"}
    write_index_file(tmp_path / "kept.txt", ["2", "1"])
    assert read_index_file(tmp_path / "kept.txt", ["2", "0", "1"]).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("text", "ids", "words"),
    [
        ("", IDS, "there is no line"),
        ("position\n", IDS, "there is no line"),
        ("3\n20\n-1\n", IDS, r"1 of 3 lines are no sample ids|3 of 3 lines are no sample ids"),
        ("3\n20\n", IDS, r"1 of 2 lines are no positions from 0 to 19 \(20\)"),
        ("position\nimg01\n", IDS, r"1 of 1 lines are no positions from 0 to 19 \(img01\)"),
        ("img01\nimg99\n", IDS, r"1 of 2 lines are no sample ids of the set \(img99\)"),
        ("sample_id\n3\n", IDS, r"1 of 1 lines are no sample ids of the set \(3\)"),
        ("3\n3\n4\n", IDS, r"1 lines repeat an image \(3\)"),
        ("0\n2\n", ["0", "2", "1"], "sample ids as well as positions; put 'sample_id' or 'position' in the first line"),
    ],
)
def test_says_what_is_wrong(tmp_path, text, ids, words):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=words):
        read_index_file(tmp_path / "list.txt", ids)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="the list of labelled images cannot be read"):
        read_index_file(tmp_path / "none.txt", IDS)
