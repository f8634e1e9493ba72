"""What a finished run shows is the model that its plan names, and every file is whole, also where the disk fills up."""

import dataclasses
import errno
import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from modelheir.assemble import predict, train
from modelheir.checks import InputError
from modelheir.methods import METHODS, Method
from modelheir.models import load
from modelheir.plans import Stage, Task
from modelheir.runs import RunFolder, read_predictions
from modelheir.types import LossTerms, Outputs


@dataclasses.dataclass(frozen=True)
class JointConfig:
    """No settings."""


def joint(together):
    """Return a plan of two time steps that are trained together; ``together`` evaluates their mean."""

    def plan(settings, given):
        def prepare(done):
            models = {f"t{time}": given.member(time).model.build() for time in range(2)}

            def objective(batches, step):
                batch = batches["train"]
                losses = [cross_entropy(model(batch.inputs).logits, batch.labels) for model in models.values()]
                return LossTerms({"task": torch.stack(losses).sum()})

            def mean(batch):
                first, second = (model(batch.inputs) for model in models.values())
                return Outputs((first.logits + second.logits) / 2, second.features)

            return Task(
                models,
                {"train": given.data.stream()},
                objective,
                evaluate=given.data.evaluation(),
                predict=mean if together else None,
                publish="t1",
                describe={"model": models["t1"].spec},
            )

        return [Stage("joint", prepare)]

    return plan


@pytest.mark.parametrize("together", [False, True])
def test_the_module_that_a_plan_names_is_published(together, tmp_path, monkeypatch, quick, train_interrupted):
    method = Method("joint", "", "", JointConfig, joint(together))
    monkeypatch.setitem(METHODS, "joint", method)
    folder, config = RunFolder(tmp_path / "run"), quick()
    train_interrupted("joint", config)
    train("joint", config)
    stored = load_file(folder.stage(0, "joint").weights)
    t0, t1 = (
        {key.removeprefix(f"{name}/"): value for key, value in stored.items() if key.startswith(f"{name}/")}
        for name in ("t0", "t1")
    )
    assert not torch.equal(t0["head.weight"], t1["head.weight"])
    published = load_file(folder.weights)
    assert published.keys() == t1.keys()
    assert all(torch.equal(published[key], t1[key]) for key in t1)
    for spec in (f"run:{folder.path}", f"run:{folder.path}#joint"):
        found = load(spec).state_dict()
        assert all(torch.equal(found[key], t1[key]) for key in t1)

    said = [predict(f"run:{folder.path}", config.data, device="cpu").logits]
    first = load(f"run:{folder.path}")
    first.load_state_dict(t0)
    said.append(predict(first, config.data, device="cpu").logits)
    expected = np.mean(said, axis=0) if together else said[0]
    np.testing.assert_allclose(read_predictions(folder.predictions("test")).logits, expected, atol=1e-5)
    assert np.abs(said[0] - said[1]).max() > 0.01


class Disk:
    """Counts writes, and is full at the one whose number is ``full``: the data never reaches it."""

    def __init__(self, patch, full=-1):
        self.full, self.writes = full, 0
        self.sync, self.open, self.copy = os.fsync, Path.open, shutil.copyfile
        patch.setattr(shutil, "copyfile", self.copyfile)
        patch.setattr(os, "fsync", self.flush)
        patch.setattr(Path, "open", lambda path, mode="r", *rest, **more: self.append(path, mode, *rest, **more))

    def write(self):
        self.writes += 1
        if self.writes - 1 == self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self, handle):
        if stat.S_ISREG(os.fstat(handle).st_mode):
            self.write()
        self.sync(handle)

    def copyfile(self, source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        self.write()
        return self.copy(source, target)

    def append(self, path, mode, *rest, **more):
        if mode == "a" and path.name != ".lock":
            self.write()
        return self.open(path, mode, *rest, **more)


def lasting(folder):
    """Return the files that hold no time, path or speed."""
    inside = [path for part in ("predictions/*", "stages/**/*") for path in folder.path.glob(part)]
    kept = [folder.weights, folder.model, folder.result, *inside]
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in kept if path.is_file()}


def test_a_disk_that_is_full_at_any_write_leaves_whole_files_and_a_run_that_goes_on(quick, tmp_path, monkeypatch):
    settings = {"epochs": 1, "save_every_steps": 0}
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        straight = RunFolder(train("finetune", quick(settings)))
    expected, number, cleared = lasting(straight), disk.writes, 0
    assert number > 12
    assert {"predictions/test.parquet", "stages/00_train/result.json"} <= expected.keys()
    for full in range(number):
        folder, config = RunFolder(tmp_path / f"full{full}"), quick(settings, out=str(tmp_path / f"full{full}"))
        with monkeypatch.context() as patch:
            Disk(patch, full)
            with pytest.raises(InputError, match=r"cannot write .*No space left on device"):
                train("finetune", config)
        if folder.begun:
            status = folder.status()
            assert status["state"] == "failed", full
            assert "No space left on device" in status["reason"]
            found = lasting(folder)
            assert [name for name in found if name in expected and found[name] != expected[name]] == [], full
            assert not list(folder.path.rglob("*.part"))
        else:
            assert not folder.path.exists(), full
            cleared += 1
        if full % 4 == 3 or full == number - 1:
            train("finetune", config)
            assert lasting(folder) == expected, full
            assert json.loads((folder.path / "status.json").read_text())["state"] == "finished"
    assert 0 < cleared < number / 2


def test_a_disk_without_room_even_for_the_status_keeps_the_reason(quick, tmp_path, monkeypatch):
    from modelheir.runs import files

    real = files.replace_file

    def full(path, write):
        if len(list((tmp_path / "run").glob("stages/*/result.json"))):
            raise InputError(f"cannot write {path}: full")
        real(path, write)

    monkeypatch.setattr("modelheir.assemble.publish.write_json", lambda path, value: full(path, None))
    monkeypatch.setattr(files, "replace_file", full)
    with pytest.raises(InputError, match=r"cannot write .*model\.json: full"):
        train("finetune", quick({"epochs": 1}))
