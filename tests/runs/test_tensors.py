"""Weights and states on disk: a byte that flipped is noticed, and other readers need not know."""

import errno
import hashlib
import json
import os
import stat

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from modelheir.checks import InputError
from modelheir.models import build, load
from modelheir.runs import tensors
from modelheir.runs.files import write_json, write_text
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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_or_quota_full_inside_safetensors(number, tmp_path, monkeypatch):
    def full(flat, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")

    save_weights(tmp_path / "w", {"a": torch.zeros(1)})
    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(InputError, match=f"cannot write .*w: {os.strerror(number)}"):
        save_weights(tmp_path / "w", {"a": torch.ones(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    assert load_weights(tmp_path / "w")["a"] == 0


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_umask_says_who_may_read_weights(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "text", "x")
        save_weights(tmp_path / "weights", {"a": torch.zeros(1)})
        save_weights(tmp_path / "weights", {"a": torch.ones(1)})  # in place of the first
        save_state(tmp_path / "state", {"a": torch.zeros(1)})
    finally:
        os.umask(before)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert found == dict.fromkeys(("text", "weights", "state"), mode)


def test_names_that_meet_when_joined_stay_apart(tmp_path):
    state = {"a.b": torch.zeros(1), "a": {"b": torch.ones(1)}, "list": [torch.full((1,), 2.0)], "list.0": torch.ones(2)}
    save_state(tmp_path / "s", state)
    back = load_state(tmp_path / "s")
    assert (back["a.b"], back["a"]["b"], back["list"][0]) == (0, 1, 2)
    assert back["list.0"].shape == (2,)


def test_what_was_read_does_not_follow_the_file(tmp_path):
    save_weights(tmp_path / "w", {"a": torch.zeros(1000)})
    read = load_weights(tmp_path / "w")
    with (tmp_path / "w").open("r+b") as handle:
        handle.seek(-4000, os.SEEK_END)
        handle.write(b"\xff" * 4000)
    assert torch.equal(read["a"], torch.zeros(1000))


def test_state_comes_back_as_it_was(tmp_path):
    shared = torch.arange(3.0)
    state = {
        "number": 7,
        "none": None,
        "text": "a/b",
        "nested": {"list": [shared, {0: shared, "x": torch.tensor(2, dtype=torch.int64)}], "empty": {}, "rate": 0.1},
    }
    save_state(tmp_path / "s.safetensors", state)
    back = load_state(tmp_path / "s.safetensors")
    assert torch.equal(back["nested"]["list"][1][0], shared)
    assert back["nested"]["list"][1]["x"].dtype == torch.int64
    assert (back["number"], back["none"], back["text"], back["nested"]["empty"]) == (7, None, "a/b", {})
    assert back["nested"]["rate"] == 0.1
    with pytest.raises(TypeError, match=r"state\.f is a function"):
        save_state(tmp_path / "t.safetensors", {"f": len.__call__ if False else (lambda: 0)})


def test_optimizer_state_survives(tmp_path):
    p = torch.nn.Parameter(torch.ones(3))
    one = torch.optim.Adam([p], lr=0.1)
    p.sum().backward()
    one.step()
    save_state(tmp_path / "s", one.state_dict())
    other = torch.optim.Adam([p], lr=0.5)
    other.load_state_dict(load_state(tmp_path / "s"))
    assert torch.equal(other.state_dict()["state"][0]["exp_avg"], one.state_dict()["state"][0]["exp_avg"])
    assert other.param_groups[0]["lr"] == 0.1


def test_cut_file_is_named(tmp_path):
    save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(100)})
    data = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"w\.safetensors is not a whole safetensors file"):
        load_weights(tmp_path / "w.safetensors")
    save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(InputError, match="plain weights"):
        load_state(tmp_path / "w.safetensors")
