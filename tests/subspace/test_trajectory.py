"""Snapshots as rows: the right numbers in the right columns, and one clear sentence where they are none."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from modelheir.checks import InputError
from modelheir.subspace import Trajectory, select_range

NAMES = ("body.bias", "body.weight", "head.bias", "head.weight")


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((6, 53)).astype(np.float32)


def test_all_floating_parameters_are_columns_but_batch_statistics(rows, write, columns):
    """Q-11: statistics and counters are no directions, and what the other module holds is not this one's."""
    found = Trajectory(write(rows))
    assert sorted(found.names) == sorted(NAMES)
    assert dict(zip(found.names, found.shapes, strict=True))["body.weight"] == (4, 3, 2)
    assert (len(found), found.width, sum(found.sizes)) == (6, 53, 53)
    assert np.array_equal(found.block(0, 53), columns(rows, found.names))
    assert found.block(0, 53).dtype == found.dtype == np.float32
    assert found.rounding == 2.0**-24


def test_names_choose_and_order_the_columns(rows, write, columns):
    chosen = ("head.bias", "body.weight")
    found = Trajectory(write(rows), names=chosen)
    assert np.array_equal(found.block(0, found.width), columns(rows, chosen))
    assert np.array_equal(found.row(3), columns(rows, chosen)[3])
    assert np.array_equal(found.row(-1), columns(rows, chosen)[5])
    with pytest.raises(IndexError):
        found.row(6)


@settings(deadline=None, max_examples=60)
@given(first=st.integers(0, 53), second=st.integers(0, 53))
def test_any_block_is_those_columns(first, second, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "blocks"
    values = np.random.default_rng(1).standard_normal((3, 53)).astype(np.float32)
    files = [folder / f"{number}" for number in range(3)]
    if not folder.is_dir():
        folder.mkdir()
        for path, row in zip(files, torch.from_numpy(values), strict=True):
            save_file({"a": row[:20].clone(), "b": row[20:21].clone(), "c": row[21:].clone()}, path)
    start, stop = min(first, second), max(first, second)
    found = Trajectory(files, names=("a", "b", "c"), module="")
    assert np.array_equal(found.block(start, stop), values[:, start:stop])
    with pytest.raises(ValueError, match="not among 53"):
        found.block(start, 54)


def test_files_that_hold_parameters_in_another_order_give_the_same_columns(tmp_path):
    """Q-11: columns go by names, whatever order a file has; types decide it in safetensors."""
    save_file({"a": torch.ones(2), "b": torch.full((3,), 2.0)}, tmp_path / "one")
    save_file({"a": torch.ones(2, dtype=torch.bfloat16), "b": torch.full((3,), 2.0)}, tmp_path / "two")
    found = Trajectory([tmp_path / "one", tmp_path / "two"], module="")
    assert found.block(0, 5).tolist() == [[1, 1, 2, 2, 2]] * 2
    assert found.rounding == 2.0**-8


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_of_files(dtype, rows, write, columns):
    found = Trajectory(write(rows, dtype=dtype), names=NAMES)
    wanted = torch.from_numpy(columns(rows, NAMES)).to(dtype).to(torch.float64).numpy()
    assert np.array_equal(found.block(0, 53), wanted)
    assert found.dtype == (np.float64 if dtype == torch.float64 else np.float32)


def test_a_plain_file_and_a_module_that_is_not_there(rows, write, tmp_path):
    files = write(rows)
    assert Trajectory(files, module="other").width == 2
    with pytest.raises(InputError, match="holds no module 'teacher', only model, other"):
        Trajectory(files, module="teacher")
    save_file({"a": torch.ones(2)}, tmp_path / "plain")
    assert Trajectory([tmp_path / "plain"], module="").names == ("a",)
    with pytest.raises(InputError, match="holds no module 'model', only plain names"):
        Trajectory([tmp_path / "plain"])


def test_another_model_is_refused_by_name(rows, write, tmp_path):
    """Q-11: a mismatch of names or shapes is found before anything is read."""
    files = write(rows[:2])
    for number, (state, says) in enumerate(
        [
            ({"model/body.weight": torch.ones(2)}, "'body.bias' is missing"),
            ({"model/body.bias": torch.ones(4), "model/body.weight": torch.ones(4, 6)}, r"has shape \(4, 6\)"),
            ({"model/body.bias": torch.ones(4, dtype=torch.int64)}, "no module"),
        ]
    ):
        save_file(state, tmp_path / f"{number}")
        with pytest.raises(InputError, match=rf"(?s){tmp_path / str(number)}.*{says}"):
            Trajectory([*files, tmp_path / f"{number}"], names=NAMES)
    with pytest.raises(InputError, match=r"no floating parameter 'body.wait'\. Did you mean 'body.weight'\?"):
        Trajectory(files, names=["body.wait"])
    with pytest.raises(InputError, match="no floating parameter that is asked for"):
        Trajectory(files, names=[])
    with pytest.raises(InputError, match="there are no snapshots"):
        Trajectory([])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_name_file_and_parameter(value, rows, write):
    rows[4, 30] = value
    found = Trajectory(write(rows), names=NAMES)
    where = "step_00000004.safetensors holds weights that are not finite, in 'head.weight'"
    with pytest.raises(InputError, match=where):
        found.block(0, 53)
    with pytest.raises(InputError, match=where):
        found.row(4)
    found.row(3)


def test_a_file_that_goes_away_is_named(rows, write):
    files = write(rows)
    found = Trajectory(files)
    files[2].unlink()
    with pytest.raises(InputError, match=r"step_00000002.safetensors cannot be read"):
        found.block(0, 3)
    with pytest.raises(InputError, match=r"step_00000002.safetensors is missing"):
        Trajectory(files)


def test_the_fingerprint_tells_content_order_and_choice_apart(rows, write):
    files, other = write(rows), write(rows + 1, folder="other")
    same = write(rows, folder="copy")
    prints = [
        Trajectory(chosen, names=names).fingerprint
        for chosen in (files, files[::-1], files[:5], other)
        for names in (NAMES, NAMES[::-1])
    ]
    assert len(set(prints)) == 8
    assert Trajectory(same, names=NAMES).fingerprint == prints[0]


@settings(deadline=None)
@given(
    st.one_of(st.none(), st.integers(-9, 9)),
    st.one_of(st.none(), st.integers(-9, 9)),
    st.one_of(st.none(), st.integers(1, 4)),
)
def test_a_range_is_a_slice(start, stop, step):
    files = list("abcdefg")
    text = ":".join("" if part is None else str(part) for part in (start, stop, step))
    if files[start:stop:step]:
        assert select_range(files, text) == files[start:stop:step]
    else:
        with pytest.raises(InputError, match="holds none of the 7 snapshots"):
            select_range(files, text)


@pytest.mark.parametrize("text", ["", "3", "1:2:0", "a:b", "1:2:3:4", "1:2:-1", "-:2", "1.0:2"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(InputError, match="must be start:stop or start:stop:step"):
        select_range(["a", "b"], text)


def test_a_range_of_two_parts_is_enough():
    assert select_range("abc", " 1:3 ") == ["b", "c"]


def test_what_the_first_file_says_was_trained_are_the_columns(tmp_path):
    """Q-12: frozen weights and what has no name there are no directions."""
    state = {f"model/{name}": torch.full((2,), float(place)) for place, name in enumerate("abc")}
    about = {"trained": '["model/c", "model/a", "other/b"]'}
    for number in range(2):
        save_file(state, tmp_path / f"{number}", metadata=about)
    files = [tmp_path / "0", tmp_path / "1"]
    assert Trajectory(files).names == ("a", "c")
    assert Trajectory(files).block(0, 4).tolist() == [[0, 0, 2, 2]] * 2
    assert Trajectory(files, names=("b",)).names == ("b",)


@settings(deadline=None, max_examples=40)
@given(first=st.integers(0, 36), second=st.integers(0, 36))
def test_eight_bits_are_codes_with_a_scale_and_an_offset_for_each_channel(first, second, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "bytes"
    rng = np.random.default_rng(0)
    codes, scale, offset = (rng.integers(0, 256, (4, 3, 3)).astype(np.uint8), rng.random(4), rng.standard_normal(4))
    if not folder.is_dir():
        folder.mkdir()
        levels = {"w#scale": torch.tensor(scale).float(), "w#offset": torch.tensor(offset).float()}
        save_file({"w": torch.from_numpy(codes), **levels, "n": torch.ones(3, dtype=torch.uint8)}, folder / "one")
    found = Trajectory([folder / "one"], module="")
    assert (found.names, found.dtype) == (("w",), np.float32)
    start, stop = min(first, second), max(first, second)
    wanted = (offset[:, None, None] + scale[:, None, None] * codes).reshape(1, -1)
    assert found.block(start, stop) == pytest.approx(wanted[:, start:stop], abs=1e-4)
