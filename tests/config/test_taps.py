"""A place in a network is read from text; what is none is refused with what was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.config.taps import Tap, parse_pair, parse_tap

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_\-]{0,5}", fullmatch=True)
NUMBERS = st.integers(0, 120)


@pytest.mark.parametrize(
    ("text", "path", "inputs"),
    [
        ("body.layer3", "body.layer3", False),
        ("blocks[7].conv", "blocks.7.conv", False),
        ("blocks.7.conv:in", "blocks.7.conv", True),
        (" stages[1][0]:out ", "stages.1.0", False),
        ("features", "features", False),
        ("features.3:in", "features.3", True),
        ("0.1", "0.1", False),
    ],
)
def test_a_path_is_read(text, path, inputs):
    assert parse_tap(text) == Tap(path, inputs)


@given(st.lists(st.one_of(NAMES, NUMBERS), min_size=1, max_size=5).filter(lambda one: isinstance(one[0], str)))
def test_brackets_are_dots(pieces):
    dots = ".".join(map(str, pieces))
    brackets = pieces[0] + "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in pieces[1:])
    assert parse_tap(brackets) == parse_tap(dots) == Tap(dots)
    assert parse_tap(str(Tap(dots, inputs=True)) if dots != "features" else f"x.{dots}:in").inputs


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a.", "a b", "a[x]", "[3]", "a[3", "a[3]b", "a=b", "a,b", "a.[3]"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(InputError, match=r"is no path of a module: write it as body\.layer3"):
        parse_tap(text)


def test_a_wrong_side_and_an_input_of_features_are_refused():
    with pytest.raises(InputError, match=r"behind the colon stands in, .*Did you mean 'in'\?"):
        parse_tap("body.layer3:inn")
    with pytest.raises(InputError, match="leave :in out"):
        parse_tap("features:in")


def test_a_pair_has_a_student_and_a_teacher():
    assert parse_pair("body.blocks[1] = body.layer2:in") == (Tap("body.blocks.1"), Tap("body.layer2", inputs=True))
    assert parse_pair("body.layer2") == (Tap("body.layer2"),) * 2
    with pytest.raises(InputError, match="write STUDENT=TEACHER"):
        parse_pair("a=b=c")
    with pytest.raises(InputError, match="tap '' is no path"):
        parse_pair("a=")
