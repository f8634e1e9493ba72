"""Handing a model over: a folder that cannot be written is one sentence."""

import errno
import os
from pathlib import Path

import pytest

from modelheir.assemble import export, train
from modelheir.checks import InputError
from modelheir.models import load, state_hash


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
