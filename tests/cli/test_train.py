"""``train``: what reaches the library, what is printed, which process speaks."""

import dataclasses
import json
import shlex

import pytest
import yaml

import modelheir.assemble
from modelheir import cli, data
from modelheir.checks import InputError
from modelheir.cli import train
from modelheir.cli.next_step import next_train
from modelheir.config.describe import settings
from modelheir.config.fit import SnapshotConfig
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods import METHODS
from modelheir.objective.distances import DISTANCES


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
    assert named.keys() == {"command", "opened"}
    assert named["command"] == ["modelheir", "train", "finetune", "--epochs", "2", "--data", "synthetic"]
    out = capsys.readouterr().out
    assert "90.00% [80.00, 95.00]" in out
    assert "0.2500" in out
    command = ["modelheir", "train", "upgrade", "--old", f"run:{folder}", "--data", "synthetic", "--fit.epochs", "2"]
    assert f"Next: {shlex.join([*command, '--out', str(folder.parent / 'upgrade')])}\n" in out


def test_snapshots_have_short_flags(calls, folder, capsys):
    calls.replace(modelheir.assemble, "train", folder)
    short = ["--snapshots.every", "2", "--snapshots.from-epoch", "20", "--snapshots.keep", "60"]
    more = ["--snapshots.per-epoch", "2", "--snapshots.dtype", "bf16", "--snapshots.parameters", "trainable"]
    assert train.main(["finetune", *short, *more]) == 0
    expected = {"every_epochs": 2, "start_epoch": 20, "keep": 60, "per_epoch": 2, "dtype": "bf16"}
    assert calls["train"][0][1].fit.snapshots == SnapshotConfig(**expected, parameters="trainable")


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


def run_next(capsys):
    """Run what the last line of the screen says, word for word, and return its words."""
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("Next: modelheir ")
    commands = [shlex.split(one)[1:] for one in line.removeprefix("Next: ").split(" && ")]
    for words in commands:
        assert cli.main(words) == 0, words
    return commands


def train_world(*words, out, data="synthetic:n=120,classes=3,size=8"):
    common = ["--data", data, "--device", "cpu", "--epochs", "1", "--quiet", "--allow_weak_teacher", "--out", str(out)]
    assert train.main([*words, "--model", "convnet", *common]) == 0


def test_next_after_a_first_model_trains_the_same_way(tmp_path, capsys):
    """Network, sizes, augmentation, schedule, lists, mappings, switches: what is printed makes the same settings."""
    first = tmp_path / "v 1"
    (tmp_path / "upgrade").mkdir()  # another run's place
    names = open_splits("synthetic:n=120,classes=3,size=8", InputConfig())["train"].classes[:2]
    words = ["--network.dropout", "0.1", "--network.kwargs", '{"width": 4, "blocks": 2}', "--inputs.image_size", "10"]
    words += ["--inputs.augment", "none", "--inputs.train_classes", *names, "--inputs.split_seed", "3", "--seed", "5"]
    words += ["--fit.lr", "1e-3", "--fit.batch_size", "16", "--fit.optimizer", "adamw", "--fit.lr_multipliers=[]"]
    train_world("finetune", *words, "--fit.nesterov", "false", out=first)
    (command,) = run_next(capsys)
    assert command[:4] == ["train", "upgrade", "--old", f"run:{first}"]
    kept, again = (yaml.safe_load((place / "config.yaml").read_text()) for place in (first, tmp_path / "upgrade_2"))
    assert (again["train"], again["old"]) == ("upgrade", [f"run:{first}"])
    own = ("train", "old", "out", "method")
    assert {key: value for key, value in again.items() if key not in own} == {
        key: value for key, value in kept.items() if key not in own
    }


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.needs_old])
def test_the_next_commands_settings_are_the_runs_own(name, tmp_path):
    """Whatever a method has for defaults, and whatever ``upgrade`` has for its own."""
    words = ["--quiet", "--trackers", "wandb", "--inputs.download", "true", "--network.mean", "0.1", "0.2", "0.3"]
    words += ["--init_seed", "7", "--data", "folder:my photos", "--fit.weight_decay", "0.00012345"]
    config = train.parse_train([name, *words, "--out", "x"])[1]
    usual = train.parse_train(["upgrade"])[1]
    line = shlex.split(next_train(tmp_path / "a b", config, usual))
    _, found, *_ = train.parse_train(line[2:])
    assert found.old == (f"run:{tmp_path / 'a b'}",)
    assert found.out == str(tmp_path / "upgrade")
    assert dataclasses.replace(found, old=config.old, out=config.out) == config


def test_next_after_a_run_from_its_own_settings_repeats_none_that_would_be_chosen_again(tmp_path, capsys):
    """The ``config.yaml`` of a run names network, size, batch, rate and decay, which ``upgrade`` finds by itself."""
    data = "synthetic:n=120,classes=3,size=8"
    words = ["--data", data, "--epochs", "1", "--quiet", "--inputs.augment", "flip", "--fit.lr", "0.02"]
    assert train.main(["finetune", *words, "--out", str(tmp_path / "v1")]) == 0
    first = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert first[6:-2] == ["--data", data, "--quiet", "true", *words[5:7], "--fit.epochs", "1", "--fit.lr", "0.02"]
    kept = yaml.safe_load((tmp_path / "v1" / "config.yaml").read_text())
    assert (kept["model"], kept["fit"]["batch_size"], kept["inputs"]["image_size"]) == ("convnet", 32, 8)
    again = ["finetune", "--config", str(tmp_path / "v1" / "config.yaml"), "--out", str(tmp_path / "v2")]
    assert train.main(again) == 0
    second = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert second == [word.replace("v1", "v2") for word in first]


def test_the_data_is_opened_once(tmp_path, monkeypatch, capsys):
    """Also where the next command leaves out what would be chosen again, for which the images are asked."""
    opened, plain = [], data.open_splits
    monkeypatch.setattr(data, "open_splits", lambda *given: opened.append(given) or plain(*given))
    words = ["--data", "synthetic:n=120,classes=3,size=8", "--epochs", "1", "--quiet"]
    assert train.main(["finetune", *words, "--out", str(tmp_path / "v1")]) == 0
    assert "--model" not in capsys.readouterr().out
    assert len(opened) == 1


def test_next_says_every_setting_without_the_images(tmp_path):
    config = train.parse_train(["finetune", "--data", f"folder:{tmp_path}/photos", "--fit.batch_size", "32"])[1]
    usual = train.parse_train(["upgrade"])[1]
    assert "--fit.batch_size 32" in next_train(tmp_path / "v1", config, usual)


def test_next_after_an_update_of_a_run_is_to_compare(tmp_path, capsys):
    old, new = tmp_path / "v 1", tmp_path / "v2"
    train_world("finetune", out=old)
    train_world("upgrade", "--old", f"run:{old}", out=new)
    assert run_next(capsys) == [["compare", str(old), str(new), "--html", f"{new}/compare.html"]]
    assert (new / "compare.html").is_file()


def test_next_after_other_data_or_a_file_makes_the_old_predictions_first(tmp_path, capsys):
    old = tmp_path / "v1"
    first, second, _ = open_splits("synthetic:n=120,classes=3,size=8", InputConfig())["train"].classes
    few = ["--inputs.train_classes", first, "--inputs.train_classes", second]
    train_world("finetune", *few, "--inputs.split_seed", "3", out=old)
    file = f"file:{old}/weights.safetensors:convnet"
    for spec, more in ((f"run:{old}", []), (f"run:{old}", few), (f"run:{old}#train", few), (file, few)):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        train_world("upgrade", "--old", spec, "--inputs.test_fraction", "0.3", *more, out=folder)
        predict, compare = run_next(capsys)
        assert predict[:2] == ["predict", spec]
        assert compare == ["compare", f"{folder}/old.parquet", str(folder), "--html", f"{folder}/compare.html"]


def test_next_after_stored_predictions_reads_them_where_they_cover_the_images(tmp_path, capsys):
    old, new = tmp_path / "v1", tmp_path / "v2"
    train_world("finetune", out=old)
    stored = tmp_path / "all.parquet"
    assert cli.main(["predict", str(old), "--split", "train", "--out", str(stored), "--quiet"]) == 0
    train_world("upgrade", "--old", str(stored), "--inputs.augment", "none", out=new)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"Next: modelheir compare OLD.parquet {new} ")
    assert "what the old model says on the test split" in line


def test_next_after_a_cache_compares_with_the_model_that_filled_it(tmp_path, capsys):
    old, new, stored = tmp_path / "v1", tmp_path / "v2", tmp_path / "cache"
    train_world("finetune", out=old)
    data = "synthetic:n=120,classes=3,size=8"
    words = ["cache", "write", "--teacher", f"run:{old}", "--data", data, "--views", "2", "--out", str(stored)]
    assert cli.main([*words, "--device", "cpu", "--allow_weak_teacher", "--quiet"]) == 0
    train_world("distill", "--teacher", f"cache:{stored}", out=new)
    assert run_next(capsys)[-1][:3] == ["compare", str(old), str(new)]


def test_next_after_stored_predictions_with_a_prefix(tmp_path, capsys):
    old, new, stored = tmp_path / "v1", tmp_path / "v2", tmp_path / "v1" / "all.parquet"
    train_world("finetune", out=old)
    assert cli.main(["predict", str(old), "--split", "train", "--out", str(stored), "--quiet"]) == 0
    train_world("upgrade", "--old", f"file:{stored}", "--inputs.augment", "none", out=new)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"Next: modelheir compare OLD.parquet {new} ")


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


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as end:
        train.main(["upgrade", *words, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "groups"),
    [
        ([], {"kl_distillation"}),
        (["--method.distance.loss", "renyi"], {"renyi"}),
        (["--method.distance.loss=imitation"], set()),
        (
            ["--method.distance.loss", "renyi", "--method.distance.mix_with", "logit_matching"],
            {"renyi", "logit_matching"},
        ),
    ],
)
def test_help_shows_only_the_chosen_distance(words, groups, capsys):
    out = help_of(capsys, *words)
    for name, row in DISTANCES.items():
        assert (f"--method.distance.{name}." in out) == (name in groups and row.settings is not None), name
    assert ("--method.distance.mix_share" in out) == (len(groups) == 2)
    assert "default kl_distillation)" in " ".join(out.split())  # the default, whatever is chosen
    known = len(list(settings(METHODS["upgrade"].config, "method")))
    shown = len({line.split()[0] for line in out.splitlines() if line.startswith("  --method.")})
    assert f"; {known - shown} more settings belong to other choices" in " ".join(out.split())


def test_help_shows_the_distance_of_a_settings_file(tmp_path, capsys):
    (tmp_path / "it.yaml").write_text("method: {distance: {loss: renyi, renyi: {alpha: 3.0}}}\n")
    out = help_of(capsys, "--config", str(tmp_path / "it.yaml"))
    assert "order, not 1 (> 0; default 3)" in out
    assert "--method.distance.kl_distillation." not in out


@pytest.mark.parametrize(
    ("words", "said", "hidden"),
    [
        ([], "; 2 more settings belong to other choices", {"replace_head", "supervised.likelihood_base"}),
        (["--method.start", "run:v1"], "; 1 more setting belongs to other", {"supervised.likelihood_base"}),
    ],
)
def test_help_counts_what_belongs_to_other_choices(words, said, hidden, capsys):
    with pytest.raises(SystemExit):
        train.main(["finetune", *words, "--help"])
    out = capsys.readouterr().out
    assert said in " ".join(out.split())
    keys = {one.key for one in settings(METHODS["finetune"].config, "method")}
    assert {key.removeprefix("method.") for key in keys if f"--{key}" not in out} == hidden


def test_help_without_a_method_lists_methods(capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in METHODS)


def test_unknown_method():
    with pytest.raises(InputError, match=r"unknown method 'finetun'\. Did you mean 'finetune'"):
        train.main(["finetun"])
