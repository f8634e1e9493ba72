import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.data.shifts.grammar import accumulate, parse_shifts
from modelheir.data.shifts.table import SHIFTS

PUBLISHED = (
    "corruption", "rotation", "recolor", "rotation_cond", "recolor_cond", "label_flip", "label_shift", "subpop",
)  # fmt: skip


def test_steps_and_shifts_within_them():
    assert parse_shifts("rotation:corruption, label_flip:none:fog@3") == [
        {"rotation": 30.0}, {"corruption": 1.0, "label_flip": 1.0}, {}, {"fog": 3.0},
    ]  # fmt: skip
    assert parse_shifts("rotation,rotation@-5,rotation_cond@15") == [{"rotation": 25.0, "rotation_cond": 15.0}]


def test_what_is_added_stays():
    states = accumulate(parse_shifts("rotation:fog@2,rotation:none:fog"))
    assert states == [
        {}, {"rotation": 30.0}, {"rotation": 60.0, "fog": 2.0}, {"rotation": 60.0, "fog": 2.0},
        {"rotation": 60.0, "fog": 3.0},
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["fog@3:fog@3", "label_shift:label_shift:label_shift:label_shift", "fog@1.5"])
def test_what_has_come_too_far_names_the_step(text):
    step = text.count(":") + 1
    with pytest.raises(InputError, match=f"step {step}: (fog|label_shift) has come to"):
        accumulate(parse_shifts(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a sequence of one step has no history"),
        ("  ", "a sequence of one step has no history"),
        ("rotatoin", "unknown shift 'rotatoin'. Did you mean 'rotation'"),
        ("rotation:corruptions", "Did you mean 'corruption'"),
        ("rotation::fog", "step 2 has an empty name: write none"),
        ("rotation,", "step 1 has an empty name"),
        ("fog@", "step 1: 'fog@' must be NAME or NAME@NUMBER"),
        ("rotation:fog@thick", "step 2: 'fog@thick' must be"),
        ("rotation@nan", "must be NAME@?"),
        ("rotation@inf", "must be NAME"),
        ("none@2", "unknown shift 'none'"),
    ],
)
def test_mistakes_are_said(text, message):
    with pytest.raises(InputError, match=message):
        parse_shifts(text)


def test_compat_searches_for_names_and_the_longer_hides_the_shorter():
    assert parse_shifts("rotation_cond,rotation:recolor,recolor_cond", compat=True) == [
        {"rotation_cond": 30.0}, {"recolor_cond": 30.0},
    ]  # fmt: skip
    assert parse_shifts("rotation,rotation:my corruption+label_flip", compat=True) == [
        {"rotation": 30.0}, {"corruption": 1.0, "label_flip": 1.0},
    ]  # fmt: skip
    assert parse_shifts("none:subpop", compat=True) == [{}, {"subpop": 1.0}]
    with pytest.raises(InputError, match="unknown shift 'fog'"):
        parse_shifts("fog", compat=True)


@given(st.lists(st.lists(st.sampled_from(PUBLISHED), min_size=1, max_size=3, unique=True), min_size=1, max_size=4))
def test_the_modes_agree_where_nothing_is_hidden_or_repeated(steps):
    text = ":".join(",".join(step) for step in steps)
    hides = any(f"{short}_cond" in step and short in step for step in steps for short in ("rotation", "recolor"))
    assert (parse_shifts(text) == parse_shifts(text, compat=True)) == (not hides)


@given(st.permutations(["rotation", "corruption", "label_flip", "fog"]))
def test_the_order_within_a_step_is_free(names):
    assert accumulate(parse_shifts(",".join(names))) == accumulate(parse_shifts("rotation,corruption,label_flip,fog"))


def test_every_name_parses():
    assert [parse_shifts(name)[0] for name in SHIFTS] == [{name: shift.adds} for name, shift in SHIFTS.items()]
