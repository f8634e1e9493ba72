"""Handing a model over: a folder that cannot be written is one sentence."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import torch

from modelheir.assemble import export, train
from modelheir.checks import InputError
from modelheir.methods import METHODS
from modelheir.models import build, load, state_hash
from modelheir.models.blends import DaWin
from modelheir.models.files import export_safetensors
from modelheir.runs.tensors import load_weights


def test_a_folder_that_cannot_be_written_is_one_sentence(quick, tmp_path, monkeypatch):
    run = train("finetune", quick({"epochs": 1}))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"--out .*file is a file: give a folder"):
        export(f"run:{run}", tmp_path / "file")
    with pytest.raises(InputError, match=r"cannot write the folder .*file/in: Not a directory. Give another --out"):
        export(f"run:{run}", tmp_path / "file" / "in")

    def read_only(self, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", read_only)
        with pytest.raises(InputError, match=r"cannot write the folder .*out: Read-only file system"):
            export(f"run:{run}", tmp_path / "out")
        patch.undo()
        (tmp_path / "out").mkdir()
        patch.setattr(Path, "touch", read_only)
        with pytest.raises(InputError, match=r"cannot write .*out/model\.safetensors: Read-only file system"):
            export(f"run:{run}", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    found = export(f"run:{run}", tmp_path / "out")
    assert state_hash(load(f"file:{found['safetensors']['file']}")) == state_hash(load(f"run:{run}"))


def test_a_model_that_trained_through_adapters_is_handed_over_like_any_other(quick, tmp_path):
    """Nothing outside training knows of them: loading, ONNX (checked against the model) and training on."""
    run = train("finetune", quick({"epochs": 1}, model="convnet", trainable="low_rank:2,head"))
    found = export(f"run:{run}", tmp_path / "out")
    assert state_hash(load(f"file:{found['safetensors']['file']}")) == state_hash(load(f"run:{run}"))
    kept = load(f"run:{run}").state_dict()
    assert "body.blocks.0.0.weight" in kept
    assert not [key for key in kept if "parametrizations" in key]


def test_what_is_exported_of_a_distilled_run_is_the_student(quick, tmp_path):
    """V-9: softmax of its logits within 1e-5 at any batch size, and no tensor of the teacher in any file."""
    import onnx
    import onnxruntime

    settings = {"data": "digits", "fit": {"epochs": 1, "batch_size": 1024}}
    teacher = train("finetune", quick(**settings, model="convnet", out=str(tmp_path / "teacher")))
    run = train("distill", quick(**settings), METHODS["distill"].config(teacher=(f"run:{teacher}",)))
    student = load(f"run:{run}").eval()
    kept = student.state_dict()
    found = export(f"run:{run}", tmp_path / "weights")
    weights = load_weights(Path(found["safetensors"]["file"]))
    assert weights.keys() == kept.keys()
    found = export(f"run:{run}", tmp_path / "graph", to=("onnx",), output="softmax")
    assert found["onnx"]["max_difference"] <= 1e-5
    tensors = onnx.load(found["onnx"]["file"]).graph.initializer
    held = {one.name: onnx.numpy_helper.to_array(one) for one in tensors}
    named = {name.removeprefix("model."): value for name, value in held.items() if name.startswith("model.")}
    whole = {
        **kept,
        **dict(student.named_buffers()),
    }  # the mean and spread of colours too, which no file of weights has
    assert {"head.weight", "head.bias"} <= named.keys() <= whole.keys()
    assert all(np.array_equal(value, whole[name].numpy()) for name, value in named.items())
    assert sum(value.size for name, value in held.items() if not name.startswith("model.")) < 32  # shapes and constants
    session = onnxruntime.InferenceSession(found["onnx"]["file"], providers=["CPUExecutionProvider"])
    for count in (1, 9):
        images = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            expected = scipy.special.softmax(student(images).logits.double().numpy(), axis=1)
        np.testing.assert_allclose(session.run(None, {"images": images.numpy()})[0], expected, atol=1e-5)


def test_an_output_is_nothing_for_weights_alone(tmp_path):
    with pytest.raises(InputError, match=r"output = 'softmax' is for ONNX: safetensors holds weights alone, and who"):
        export("run:nowhere", tmp_path, to=("onnx", "safetensors"), output="softmax")
    with pytest.raises(InputError, match=r"unknown output 'sofmax'. Did you mean 'softmax'"):
        export("run:nowhere", tmp_path, output="sofmax")


def test_a_model_without_one_set_of_weights_is_refused_before_anything_is_written(tmp_path):
    start, tuned = (build("mlp", classes=("a", "b"), image_size=8, seed=seed) for seed in (1, 2))
    export_safetensors(DaWin(start, tuned), tmp_path / "both.safetensors")
    with pytest.raises(InputError, match=r"weights of its own \(dawin\), and an ONNX file needs one network"):
        export(f"file:{tmp_path / 'both.safetensors'}", tmp_path / "out", to=("safetensors", "onnx"))
    assert not (tmp_path / "out").exists()
