"""One file of weights: any run of its numbers, in every type, and files that are none."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from modelheir.checks import InputError
from modelheir.subspace import snapshot_file

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


@pytest.mark.parametrize("dtype", TYPES)
def test_any_run_of_numbers_is_what_torch_reads(dtype, tmp_path):
    values = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    save_file({"a": torch.ones(3), "b": values.reshape(5, 8)}, tmp_path / "one.safetensors")
    file = snapshot_file.open_snapshot(tmp_path / "one.safetensors")
    stored = file.tensors["b"]
    assert (stored.kind, stored.shape) == (TYPES[dtype], (5, 8))
    assert stored.rounding == torch.finfo(dtype).eps / 2
    for out in (np.empty(7, np.float32), np.empty(7, np.float64)):
        with file.open() as handle:
            file.read(handle, stored, 11, out)
        assert np.array_equal(out, values[11:18].to(torch.float64).numpy().astype(out.dtype))


@settings(deadline=None)
@given(
    values=st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), min_size=1, max_size=9), data=st.data()
)
def test_bfloat16_is_widened_exactly(values, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "one.safetensors"
    held = torch.tensor(values).to(torch.bfloat16)
    save_file({"a": held}, path)
    first = data.draw(st.integers(0, len(values) - 1))
    out = np.empty(len(values) - first, np.float32)
    file = snapshot_file.open_snapshot(path)
    with file.open() as handle:
        file.read(handle, file.tensors["a"], first, out)
    assert out.tolist() == held[first:].to(torch.float32).tolist()


def test_tensors_come_as_they_lie_and_integers_are_left_aside(tmp_path):
    save_file({"b": torch.ones(2), "a": torch.ones(3), "n": torch.ones(2, dtype=torch.int64)}, tmp_path / "x")
    file = snapshot_file.open_snapshot(tmp_path / "x")
    assert set(file.tensors) == {"a", "b"}
    offsets = [one.offset for one in file.tensors.values()]
    assert offsets == sorted(offsets)


def test_the_digest_is_the_writers_or_of_the_whole_file(write, tmp_path):
    rows = np.zeros((3, 53))
    rows[1] = 1
    one, two, three = (snapshot_file.open_snapshot(path) for path in write(rows))
    assert one.written
    assert one.digest != two.digest
    assert one.digest != three.digest  # the batch statistics differ
    for number in range(2):
        save_file({"a": torch.full((3,), float(number))}, tmp_path / f"{number}")
    plain = [snapshot_file.open_snapshot(tmp_path / f"{number}") for number in range(2)]
    assert not plain[0].written
    assert plain[0].digest != plain[1].digest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "header is longer than the file"),
        (b"\x00" * 8, "header is longer"),
        ((10**9).to_bytes(8, "little") + b"{}", "header is longer"),
        ((4).to_bytes(8, "little") + b"nono", "not a whole safetensors file"),
        ((4).to_bytes(8, "little") + b"[1] ", "header is no table"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, "cut short"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "size is not that of its shape"),
        ({"a": {"dtype": "F32", "shape": [1]}}, "data_offsets"),
        ({"a": 3}, "not a whole safetensors file"),
    ],
)
def test_what_is_no_such_file_is_named(content, says, tmp_path):
    if isinstance(content, dict):
        text = json.dumps(content).encode()
        content = len(text).to_bytes(8, "little") + text + b"\0" * 6
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"(?s)bad.safetensors.*{says}.*leave it out"):
        snapshot_file.open_snapshot(path)


def test_missing_and_shortened_files_are_named(write, tmp_path):
    with pytest.raises(InputError, match=r"nowhere is missing"):
        snapshot_file.open_snapshot(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        snapshot_file.open_snapshot(tmp_path)
    (path,) = write(np.zeros((1, 53)))
    file = snapshot_file.open_snapshot(path)
    stored = file.tensors["model/head.weight"]
    with file.open() as handle:
        path.write_bytes(path.read_bytes()[: stored.offset + 8])
        with pytest.raises(InputError, match="became shorter"):
            file.read(handle, stored, 0, np.empty(20, np.float32))
    path.unlink()
    with pytest.raises(InputError, match="removed meanwhile"):
        file.open()
