import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.methods.subspace.build import chosen


@given(st.integers(0, 60), st.integers(-70, 70) | st.none(), st.integers(-70, 70) | st.none(), st.integers(1, 9))
def test_a_range_is_a_slice(count, start, stop, step):
    every = list(range(count))
    word = ":".join("" if one is None else str(one) for one in (start, stop))
    assert chosen(every, word) == every[start:stop]
    assert chosen(every, f"{word}:{step}") == every[start:stop:step]


@pytest.mark.parametrize(("count", "left"), [(0, 0), (1, 1), (2, 2), (3, 2), (10, 6), (41, 25)])
def test_the_latest_three_fifths_are_taken_where_nothing_is_said(count, left):
    assert chosen(range(count), "") == list(range(count))[count - left :]


@pytest.mark.parametrize("word", ["5", "a:b", "1:2:3:4", "1:5:0", "1:5:-1", "1.5:3"])
def test_what_is_no_range_is_refused(word):
    with pytest.raises(InputError, match="write START:STOP or START:STOP:STEP"):
        chosen(range(9), word)
