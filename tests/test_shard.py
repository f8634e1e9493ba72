"""Shards part a work, and their words are checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.shard import Shard, parse_shard


@given(st.integers(1, 50), st.integers(1, 9))
def test_shards_part_the_images(total, of):
    rows = [row for number in range(1, of + 1) for row in Shard(number, of).rows(total)]
    assert rows == list(range(total))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/4"])
def test_a_shard_that_cannot_be_is_refused(text):
    with pytest.raises(InputError, match="must be i/n with i from 1 to n, such as 3/16"):
        parse_shard(text)


def test_no_shard_is_the_whole():
    assert parse_shard("") == parse_shard(" 1/1 ") == Shard(1, 1)


def test_files_say_which_part_they_are(tmp_path):
    assert Shard(3, 16).file(tmp_path, "part", "parquet") == tmp_path / "part-3-of-16.parquet"
    assert str(parse_shard(" 2/2 ")) == "2/2"
