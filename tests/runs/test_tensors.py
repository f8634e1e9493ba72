"""Weights and states on disk: a byte that flipped is noticed, and other readers need not know."""

import hashlib
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from modelheir.checks import InputError
from modelheir.models import build, load
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import load_state, load_weights, read_tensors, save_state, save_weights

WEIGHTS = {
    "a": torch.linspace(-1, 1, 6).reshape(2, 3),
    "b.c": torch.tensor(7),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "mask": torch.tensor([True, False]),
    "none": torch.zeros(0, 4),
}
STATE = {"number": 3, "lr": 0.1, "inner": {"moments": [torch.ones(2), torch.zeros(1)]}, "best": None}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize(
    ("save", "read", "value"), [(save_weights, load_weights, WEIGHTS), (save_state, load_state, STATE)]
)
@pytest.mark.parametrize("bit", [1, 32, 128])
def test_no_flipped_byte_changes_what_is_read(save, read, value, bit, tmp_path):
    path = tmp_path / "x.safetensors"
    save(path, value)
    assert same(read(path), value)
    whole, refused = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        try:
            found = read(path)
        except InputError:
            refused += 1
        else:
            assert same(found, value), place  # such as in the digest's name
    assert refused > 0.9 * len(whole)


def test_a_flipped_byte_in_a_value_is_named_with_what_to_do(tmp_path):
    for name, advice in (("weights", "Restore it from a copy"), ("resume", "Delete it, and the same command trains")):
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, WEIGHTS)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"{name}\.safetensors is damaged: its content is not.*{advice}"):
            load_weights(path)


def test_plain_readers_read_it_and_the_digest_is_of_the_content(tmp_path):
    save_weights(tmp_path / "x", {"a": torch.tensor([1.0, 2.0])}, {"about": "me"})
    assert same(load_file(tmp_path / "x"), {"a": torch.tensor([1.0, 2.0])})
    with safe_open(tmp_path / "x", framework="pt") as handle:
        header = handle.metadata()
    values = bytes.fromhex("0000803f00000040")  # 1 and 2 as IEEE 754 binary32, little-endian
    parts = [json.dumps([["about", "me"]]), json.dumps(["a", "torch.float32", [2]])]
    expected = hashlib.sha256(parts[0].encode() + parts[1].encode() + values).hexdigest()
    assert header == {"about": "me", "sha256": expected}
    assert read_tensors(tmp_path / "x")[1] == {"about": "me"}


def test_files_without_a_digest_are_read(tmp_path):
    save_file(WEIGHTS, tmp_path / "x")
    assert same(load_weights(tmp_path / "x"), WEIGHTS)


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.complex64])
def test_weights_that_are_no_real_numbers_are_refused(kind, tmp_path):
    model, folder = build("mlp", classes=("a", "b"), image_size=8), RunFolder(tmp_path)
    state = model.state_dict()
    write_json(folder.model, model.spec)
    save_weights(folder.weights, {**state, "head.weight": state["head.weight"].to(kind)})
    with pytest.raises(
        InputError, match=rf"1 not of real numbers \(head\.weight {str(kind)[6:]}\).*Nothing was loaded"
    ):
        load(f"run:{tmp_path}")
    save_weights(folder.weights, {**state, "head.weight": state["head.weight"].half()})
    assert load(f"run:{tmp_path}").head.weight.dtype == torch.float32
