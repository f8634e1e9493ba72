"""What a finished run shows is the model that its plan names, and every file is whole, also where the disk fills up."""

import dataclasses
import errno
import json
import math
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
from modelheir.cli import main
from modelheir.data import open_splits
from modelheir.methods import METHODS, Method
from modelheir.models import from_spec, load
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


def pair(settings, given):
    """Return a plan of two networks, each trained on one half of every picture, whose probabilities are averaged."""

    def prepare(done):
        models = {name: given.member(number).model.build() for number, name in enumerate(HALVES)}

        def see(name, inputs):
            return models[name](inputs * HALVES[name])

        def objective(batches, step):
            batch = batches["train"]
            return LossTerms({name: cross_entropy(see(name, batch.inputs).logits, batch.labels) for name in models})

        def mean(batch):
            left, right = (see(name, batch.inputs) for name in models)
            sum_of_both = torch.logaddexp(left.logits.log_softmax(1), right.logits.log_softmax(1))
            return Outputs(sum_of_both - math.log(2), left.features)

        return given.task(models, given.data.stream(), objective, predict=mean)

    return [Stage("pair", prepare)]


HALVES = {"left": torch.tensor([1.0] * 4 + [0.0] * 4), "right": torch.tensor([0.0] * 4 + [1.0] * 4)}


@pytest.fixture
def pairs(monkeypatch, quick, tmp_path):
    """Settings of a run of :func:`pair` on digits into a folder of ``tmp_path``."""
    monkeypatch.setitem(METHODS, "pair", Method("pair", "", "", JointConfig, pair))
    return lambda name, **more: quick(
        {"epochs": 2, "batch_size": 100, "save_every_steps": 2, "ema_decay": 0.5, "keep": "best"},
        data="digits",
        out=str(tmp_path / name),
        **more,
    )


def test_two_modules_that_predict_together_publish_predictions_and_all_weights(pairs, tmp_path, train_interrupted):
    config = pairs("cut")
    whole, cut = RunFolder(train("pair", pairs("whole"))), RunFolder(config.out)
    train_interrupted("pair", config)
    assert not cut.without_model
    train("pair", config)
    assert lasting(whole) == lasting(cut)
    assert whole.without_model
    assert not whole.model.exists()

    about = json.loads((whole.path / "stages" / "00_pair" / "result.json").read_text())
    weights, probabilities = load_file(whole.weights), []
    test = open_splits("digits", config.inputs)["test"]
    pictures = torch.from_numpy(np.stack([test.image(row) for row in range(len(test))])).permute(0, 3, 1, 2) / 255
    assert about["publish"] == ""
    for name, spec in about["describe"]["modules"].items():
        model = from_spec(spec).eval()
        model.load_state_dict({key[len(name) + 1 :]: value for key, value in weights.items() if key.startswith(name)})
        logits = model(pictures * HALVES[name]).logits.detach().double().numpy()
        shares = np.exp(logits - logits.max(1, keepdims=True))
        probabilities.append(shares / shares.sum(1, keepdims=True))
    expected = np.mean(probabilities, axis=0)
    said = read_predictions(whole.predictions("test"))
    assert said.sample_id.tolist() == list(test.ids)
    np.testing.assert_allclose(np.exp(said.logits), expected, atol=1e-5)
    assert np.abs(probabilities[0] - probabilities[1]).max() > 0.1
    accuracy = json.loads(whole.result.read_text())["test/accuracy"]
    assert accuracy["value"] == pytest.approx((expected.argmax(1) == test.labels).mean())
    assert accuracy["count"] == len(test)


def test_what_such_a_run_left_is_sealed(pairs):
    folder = RunFolder(train("pair", pairs("run")))
    assert "model.json" not in folder.status()["files"]
    before = lasting(folder)
    train("pair", pairs("run"))
    assert lasting(folder) == before
    for path in (folder.weights, folder.predictions("val"), folder.result):
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        with pytest.raises(InputError, match=rf"{path.name} is not what the run wrote, .* is damaged"):
            train("pair", pairs("run"))
        path.write_bytes(content)


def test_such_a_run_is_compared_and_reported_and_is_refused_as_a_model(pairs, tmp_path, monkeypatch, capsys):
    for seed, name in enumerate(("a", "b")):
        train("pair", pairs(name, seed=seed, init_seed=seed, data_seed=0))
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "a", "b", "--json", "found.json", "--html", "page.html"]) == 0
    old, new = (read_predictions(tmp_path / name / "predictions/test.parquet") for name in "ab")
    flips = (old.prediction == old.label) & (new.prediction != new.label)
    assert json.loads((tmp_path / "found.json").read_text())["nfr"] == pytest.approx(flips.mean())
    assert main(["report", "a", "b", "--html", "report.html"]) == 0
    assert main(["ensemble", "both.parquet", "a", "b"]) == 0
    capsys.readouterr()

    before = {path for path in tmp_path.rglob("*") if path.name != ".lock"}
    for command in (
        ["predict", "run:a", "--out", "p.parquet"],
        ["evaluate", "a", "--cache", "cache"],
        ["export", "run:a", "--out", "exported"],
        ["train", "finetune", "--method.start", "run:a", "--data", "digits", "--model", "mlp", "--out", "c"],
        ["train", "upgrade", "--old", "run:a", "--data", "digits", "--model", "mlp", "--out", "c"],
    ):
        assert main([*command, *([] if command[0] == "export" else ["--device", "cpu", "--quiet"])]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert " a publishes predictions of several modules together and no single model: give another run" in line
    assert {path for path in tmp_path.rglob("*") if path.name != ".lock"} == before
    with pytest.raises(InputError, match=r"stage 'pair' of a publishes predictions of several modules"):
        load("run:a#pair")
    assert load_file("a/weights.safetensors").keys() == load_file("a/stages/00_pair/weights.safetensors").keys()


def test_the_command_after_such_a_run_can_be_run(pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pairs("run")
    words = ["--data", "digits", "--model", "mlp", "--epochs", "1", "--device", "cpu", "--quiet", "--out", "run"]
    assert main(["train", "pair", *words]) == 0
    said = capsys.readouterr().out.strip()
    assert said == "Next: modelheir report run --html run/report.html"
    assert main(said.split()[2:]) == 0


def test_of_several_modules_only_what_is_trainable_moves(pairs):
    folder = RunFolder(train("pair", pairs("run", trainable="head")))
    about = json.loads((folder.path / "stages" / "00_pair" / "result.json").read_text())
    kept = load_file(folder.weights)
    for name, spec in about["describe"]["modules"].items():
        moved = {
            key for key, value in from_spec(spec).state_dict().items() if not torch.equal(kept[f"{name}/{key}"], value)
        }
        assert moved == {"head.weight", "head.bias"}


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
