"""``train``: what reaches the library, what is printed, which process speaks."""

import json

import pytest

import modelheir.assemble
from modelheir.checks import InputError
from modelheir.cli import train
from modelheir.methods import METHODS


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "my run"
    path.mkdir()
    row = {"value": 0.9, "unit": "fraction", "count": 50, "interval": [0.8, 0.95]}
    loss = {"value": 0.25, "unit": "nats"}
    (path / "result.json").write_text(json.dumps({"test/accuracy": row, "test/loss": loss}))
    return path


def test_settings_reach_the_library(calls, folder, capsys):
    calls.replace(modelheir.assemble, "train", folder)
    assert train.main(["finetune", "--epochs", "2", "--data", "synthetic"]) == 0
    (name, config, own), named = calls["train"]
    assert (name, config.fit.epochs, config.data) == ("finetune", 2, "synthetic")
    assert isinstance(own, METHODS["finetune"].config)
    assert named == {"command": ["modelheir", "train", "finetune", "--epochs", "2", "--data", "synthetic"]}
    out = capsys.readouterr().out
    assert "90.00% [80.00, 95.00]" in out
    assert "0.2500" in out
    assert f"Next: modelheir train upgrade --old run:'{folder}' --data synthetic" in out


def test_the_blend_that_was_chosen_is_shown(tmp_path, capsys):
    """The real command; the chosen share stands in ``result.json`` and on the screen."""
    common = ["--data", "synthetic:n=120,classes=3,size=8", "--model", "mlp", "--device", "cpu", "--epochs", "1"]
    assert train.main(["finetune", *common, "--out", str(tmp_path / "v1"), "--quiet"]) == 0
    blend = ["interpolate", *common, "--old", f"run:{tmp_path / 'v1'}", "--method.alphas", "1.0"]
    assert train.main([*blend, "--method.tolerance", "1", "--out", str(tmp_path / "v2"), "--allow_weak_teacher"]) == 0
    row = json.loads((tmp_path / "v2" / "result.json").read_text())["alpha"]
    stage = json.loads((tmp_path / "v2" / "stages" / "01_blend" / "result.json").read_text())
    assert (row["value"], row["unit"]) == (stage["describe"]["alpha"], "share of the old weights")
    out = capsys.readouterr().out
    assert f"\nalpha = {row['value']:g} of the old weights: accuracy " in out
    assert "share of the old weights" in out


def test_next_is_compare_where_there_is_an_old_run(calls, folder, tmp_path, capsys):
    old = tmp_path / "v1"
    old.mkdir()
    calls.replace(modelheir.assemble, "train", folder)
    assert train.main(["upgrade", "--old", f"run:{old}", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert out == f"Next: modelheir compare {old} '{folder}' --html '{folder}'/compare.html\n"


def test_only_the_first_process_speaks(calls, folder, monkeypatch, capsys):
    calls.replace(modelheir.assemble, "train", folder)
    monkeypatch.setenv("RANK", "1")
    assert train.main(["finetune"]) == 0
    assert capsys.readouterr().out == ""


def test_print_config_trains_nothing(calls, capsys):
    calls.replace(modelheir.assemble, "train", None)
    assert train.main(["finetune", "--print_config"]) == 0
    assert capsys.readouterr().out.startswith("train: finetune\n")
    assert calls == {}


@pytest.mark.parametrize("name", METHODS)
def test_every_methods_settings_are_parsed_and_come_back(name, tmp_path, capsys):
    assert train.main([name, "--seed", "2", "--print_config"]) == 0
    file = tmp_path / "a.yaml"
    file.write_text(capsys.readouterr().out)
    assert train.parse_train([name, "--seed", "2"]) == train.parse_train(["--config", str(file)])


def test_help_without_a_method_lists_methods(capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in METHODS)


def test_unknown_method():
    with pytest.raises(InputError, match=r"unknown method 'finetun'\. Did you mean 'finetune'"):
        train.main(["finetun"])
