import argparse
import pickle

import pytest
import torch
from safetensors.torch import save_file

from modelheir.checks import InputError
from modelheir.models.files.checkpoint import read_spec, read_state

STATE = {"conv.weight": torch.arange(4.0), "conv.bias": torch.ones(1)}


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("code in the file was run",))


def same(found):
    assert set(found) == set(STATE)
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3, "arch": "resnet18", "best_acc1": torch.tensor(0.5)},
        lambda s: {"model": s, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        lambda s: {"model_state": {f"module.{key}": value for key, value in s.items()}},
        lambda s: {"state_dict": {f"module._orig_mod.{key}": value for key, value in s.items()}},
    ],
)
def test_unwraps(tmp_path, wrap):
    path = tmp_path / "model.pth.tar"
    torch.save(wrap(dict(STATE)), path)
    same(read_state(path))


def test_a_prefix_on_some_names_is_a_name(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, path)
    assert set(read_state(path)) == {"module.a", "b"}


def test_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(STATE, path, metadata={"modelheir_model": '{"name": "convnet"}'})
    same(read_state(path))
    assert read_spec(path) == {"name": "convnet"}
    save_file(STATE, path)
    assert read_spec(path) is None
    assert read_spec(tmp_path / "model.pt") is None


@pytest.mark.parametrize("content", [Evil(), {"state_dict": STATE, "args": argparse.Namespace(lr=1)}])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_not_run(tmp_path, content, zipped):
    path = tmp_path / "model.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="refused"):
        read_state(path)


def test_bare_pickle_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match=str(path)):
        read_state(path)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_broken_files(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    with pytest.raises(InputError, match="missing"):
        read_state(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="not a whole"):
        read_state(path)
    if ending == ".pt":
        torch.save(dict(STATE), path)
    else:
        save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="not a whole"):
        read_state(path)


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(1)], {}, {"state_dict": {"a": 1.0}}])
def test_files_without_weights(tmp_path, content):
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match="holds no weights"):
        read_state(path)
