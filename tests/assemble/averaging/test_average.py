"""The whole of it: what is written is what the weights' own mean says, and the reporting images choose nothing."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.swa_utils import update_bn

import modelheir
from modelheir import models
from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import read_yaml
from modelheir.data import open_splits
from modelheir.inference import Runtime
from modelheir.methods.given import Data
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions

from .conftest import DATA


def weights(place):
    return load_file(RunFolder(parse_address(str(place)).place).weights)


def test_the_uniform_average_is_numpys_mean_of_the_files(average, kept):
    found = average(by=["uniform"], recalibrate=False)
    one, two, mean = weights(kept.a), weights(kept.b), weights(found.path)
    assert set(mean) == set(one)
    for name, value in mean.items():
        if value.is_floating_point():
            np.testing.assert_allclose(value, (one[name].double() + two[name].double()) / 2, rtol=1e-6, atol=1e-7)
        else:
            assert torch.equal(value, two[name])
    assert found.chosen == "uniform"
    assert [row["as_averaged"] for row in found.ways] == [None]


def test_statistics_are_those_that_torch_estimates_on_the_training_images(average):
    found = average(by=["uniform"], batch_size=256)
    model = models.load(f"run:{found.path}")
    before = {name: value.clone() for name, value in model.state_dict().items() if "running" in name}
    splits = open_splits(DATA, InputConfig())
    data = Data(splits, InputConfig(), 256, 0, Runtime("cpu"))
    train = splits["train"]
    mixed = train.subset(np.random.default_rng(0).permutation(len(train)))
    views = dataclasses.replace(data, splits={"train": mixed}).stream("train")  # varied as in training
    update_bn([batch.inputs for batch in views.epoch(0)], model)
    assert len(before) > 0
    for name, value in model.state_dict().items():
        if name in before:
            torch.testing.assert_close(before[name], value, rtol=1e-4, atol=1e-5)
    assert found.ways[0]["as_averaged"] is not None


def test_fewer_images_give_other_statistics(average):
    every, few = average(by=["uniform"]), average(by=["uniform"], recalibrate_images=8, out="few")
    same = [torch.equal(value, weights(few.path)[name]) for name, value in weights(every.path).items()]
    assert any(same)
    assert not all(same)


def test_the_folder_is_a_run_that_other_commands_read(average, kept, tmp_path):
    found = average(old=[kept.start])
    folder = RunFolder(found.path)
    assert folder.status()["state"] == "finished"
    assert set(folder.status()["files"]) >= {"model.json", "weights.safetensors", "result.json", "config.yaml"}
    result = json.loads(folder.result.read_text())
    said = read_predictions(folder.predictions("test"))
    assert result["test/accuracy"]["value"] == pytest.approx(float((said.prediction == said.label).mean()))
    again = modelheir.predict(f"run:{found.path}", device="cpu")
    np.testing.assert_allclose(again.logits, said.logits, atol=1e-5)
    compared = modelheir.compare(parse_address(kept.start).place, str(found.path))
    assert result["test/nfr"]["value"] == pytest.approx(compared["nfr"])
    assert result["test/pfr"]["value"] == pytest.approx(compared["pfr"])
    assert result["test/accuracy_gain"]["value"] == pytest.approx(compared["accuracy_gain"])
    rows, _ = modelheir.write_report([str(found.path)], html=str(tmp_path / "r.html"))
    assert rows[0]["old"] == kept.start
    assert rows[0]["nfr"] == pytest.approx(compared["nfr"])
    member = modelheir.average(
        [f"run:{found.path}", kept.a], out=str(tmp_path / "of_averages"), device="cpu", quiet=True
    )
    assert member.of == 2


def test_the_reporting_images_choose_nothing(average, monkeypatch):
    """With every label of them another, and a model that sees them before the choice an error, nothing changes."""
    first = average(by=["auto", "ema:0.5"])
    from modelheir.assemble.averaging import average as module
    from modelheir.assemble.averaging import trying

    asked = []
    real, choose = open_splits, trying.choose

    def spoiled(*given):
        splits = dict(real(*given))
        test = splits["test"]
        return {**splits, "test": test.__class__(**{**vars(test), "labels": (test.labels + 1) % 3})}

    def chosen(rows):
        asked.append("choice")
        return choose(rows)

    from modelheir import inference

    predict = inference.predict_model

    def ask(model, stream, runtime, **settings):
        asked.append(stream.split)
        return predict(model, stream, runtime, **settings)

    monkeypatch.setattr(module.data, "open_splits", spoiled, raising=False)
    monkeypatch.setattr(trying, "choose", chosen)
    monkeypatch.setattr(inference, "predict_model", ask, raising=False)
    second = average(by=["auto", "ema:0.5"], out="spoiled")
    assert (second.chosen, second.ways, second.alone) == (first.chosen, first.ways, first.alone)
    assert second.reported[-1]["accuracy"] != first.reported[-1]["accuracy"]
    assert "test" not in asked[: asked.index("choice")]
    assert "test" in asked


def test_the_same_again_is_read_back_and_others_are_refused(average, kept, tmp_path):
    first = average(old=[kept.start])
    before = {path: path.stat().st_mtime_ns for path in first.path.rglob("*") if path.is_file()}
    assert average(old=[kept.start]) == first
    with pytest.raises(InputError, match=r"holds a run with recalibrate = True, and this one has False: give another"):
        average(old=[kept.start], recalibrate=False)
    assert {path: path.stat().st_mtime_ns for path in first.path.rglob("*") if path.is_file()} == before
    shutil.copytree(parse_address(kept.start).place, tmp_path / "other")
    with pytest.raises(InputError, match="holds a run that is no average"):
        average(out="other")
    (first.path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="is empty, so the finished run"):
        average(old=[kept.start])


def test_other_weights_under_the_same_name_are_another_average(kept, tmp_path):
    place = tmp_path / "a"
    shutil.copytree(parse_address(kept.a).place, place)
    given = {"out": str(tmp_path / "out"), "device": "cpu", "quiet": True}
    modelheir.average([f"run:{place}", kept.b], **given)
    shutil.copyfile(RunFolder(parse_address(kept.start).place).weights, place / "weights.safetensors")
    with pytest.raises(InputError, match=r"weights.safetensors of --models run:.* has changed"):
        modelheir.average([f"run:{place}", kept.b], **given)


def test_settings_of_the_run_repeat_it(average, tmp_path, kept):
    found = average(old=[kept.start], by=["uniform"])
    from modelheir.cli import main

    again = tmp_path / "again"
    assert main(["average", "--config", str(found.path / "config.yaml"), "--out", str(again), "--quiet"]) == 0
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(found.path).items())
    settings = read_yaml(found.path / "config.yaml")
    assert settings["command"] == "average"
    assert settings["data"] == DATA
    assert settings["inputs"]["image_size"] == 8


def test_inputs_stay_as_they_are_and_nothing_is_written_beside_them(average, kept, tmp_path):
    places = [parse_address(one).path for one in (kept.a, kept.b, kept.start)]
    before = {path: path.stat().st_mtime_ns for place in places for path in place.rglob("*") if path.is_file()}
    average(old=[kept.start])
    after = {path: path.stat().st_mtime_ns for place in places for path in place.rglob("*") if path.is_file()}
    assert after == before
    with pytest.raises(InputError, match="holds the model run:"):
        modelheir.average([kept.a, kept.b], out=str(places[0]), device="cpu")
    with pytest.raises(InputError, match="holds the model run:"):
        modelheir.average(snapshots=kept.start, out=str(places[2]), device="cpu")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is not empty and not a run folder"):
        average(out="theirs")
    assert [path.name for path in theirs.iterdir()] == ["letter.txt"]


def test_what_fails_leaves_nothing(average, kept, tmp_path, monkeypatch):
    from modelheir.assemble.averaging import judging

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(judging.Judge, "average", stop)
    with pytest.raises(KeyboardInterrupt):
        average()
    assert not (tmp_path / "out").exists()


def test_a_launcher_with_several_processes_is_refused(average, monkeypatch):
    from modelheir.assemble.averaging import average as module

    class Two:
        world = 2

    monkeypatch.setattr(module.inference, "Runtime", lambda device: Two(), raising=False)
    with pytest.raises(InputError, match="runs in one process"):
        average()


def test_a_network_without_batch_norm_says_that_nothing_was_recalibrated(kept, tmp_path):
    one, two = (kept.train(f"mlp{seed}", model="mlp", seed=seed, epochs=1) for seed in (0, 1))
    found = modelheir.average([one, two], out=str(tmp_path / "out"), device="cpu", quiet=True, by=["uniform"])
    assert any("no batch norm" in note for note in found.notes)
    assert found.ways[0]["as_averaged"] is None
    assert not any(isinstance(part, nn.BatchNorm2d) for part in models.load(f"run:{found.path}").modules())
