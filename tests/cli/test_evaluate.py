"""``evaluate``: one row a model, patterns, and models that fail stay in the output."""

import json

import pytest

import modelheir.assemble
from modelheir.checks import InputError
from modelheir.cli import evaluate

DIGITS = ["--data", "digits"]


def rows(models, data, **named):
    (model,) = models
    if "broken" in model:
        raise InputError("weights do not fit")
    flips = {"nfr": 0.0123, "nfr_interval": [0.01, 0.02], "pfr": 0.05, "accuracy_gain": -0.01} if named["old"] else {}
    right = {"accuracy": 0.91234, "accuracy_interval": [0.9, 0.925], "top5": 0.99}
    return [{"model": model, "n": 1000, **right, **flips, "file": "c.parquet"}]


def test_table_with_flips(calls, tmp_path, capsys):
    calls.replace(modelheir.assemble, "evaluate", rows)
    file = tmp_path / "rows.json"
    words = ["a", "run:b", "--old", "a", "--cache", str(tmp_path), "--json", str(file), "--quiet", *DIGITS]
    assert evaluate.main(words) == 0
    out = capsys.readouterr().out
    assert "on test of digits, 95% intervals" in out
    assert "91.23% [90.00, 92.50]" in out
    assert "1.23% [1.00, 2.00]" in out
    assert "-1.00%" in out
    assert [row["model"] for row in json.loads(file.read_text())] == ["a", "run:b"]
    assert calls["evaluate"][1]["cache"] == str(tmp_path)


def test_failed_models_are_listed_and_fail_the_command(calls, capsys):
    calls.replace(modelheir.assemble, "evaluate", rows)
    assert evaluate.main(["a", "broken", "c", "--quiet", *DIGITS]) == 2
    said = capsys.readouterr()
    assert "failed: broken: weights do not fit" in said.err
    assert "NFR" not in said.out
    with pytest.raises(InputError, match="weights do not fit"):
        evaluate.main(["broken", *DIGITS])


def configured(folder, text):
    folder.mkdir()
    (folder / "config.yaml").write_text(text)
    return str(folder)


def test_runs_bring_their_inputs_and_the_first_its_data(calls, tmp_path, capsys):
    given = []

    def record(models, data, **named):
        given.append((models, data, named["inputs"]))
        return rows(models, data, **named)

    calls.replace(modelheir.assemble, "evaluate", record)
    one = configured(tmp_path / "one", "data: synthetic\ninputs: {image_size: 12, split_seed: 3}\n")
    two = configured(tmp_path / "two", "data: cifar10\ninputs: {image_size: 20}\n")
    assert evaluate.main(["tv:x", one, "--old", two, "--inputs.split_seed", "4", "--quiet"]) == 0
    assert "on test of synthetic" in capsys.readouterr().out
    (old, _, _), (first, data, inputs), (second, _, others) = given
    assert (old, first, second, data) == ([two], ["tv:x"], [one], "synthetic")
    assert {name: (of.image_size, of.split_seed) for name, of in {**inputs, **others}.items()} == {
        **{"tv:x": (0, 4), one: (12, 4), two: (20, 4)},
    }
    evaluate.main([one, "--data", "digits", "--quiet"])
    assert "on test of digits" in capsys.readouterr().out


def test_an_old_model_that_fails_is_named(calls):
    calls.replace(modelheir.assemble, "evaluate", rows)
    with pytest.raises(InputError, match="--old broken: weights do not fit"):
        evaluate.main(["a", "c", "--old", "broken", "--quiet", *DIGITS])


def test_unknown_classes_are_said_once_a_model(calls, capsys):
    calls.replace(modelheir.assemble, "evaluate", lambda *a, **b: [{**rows(*a, **b)[0], "unknown": ["ship"]}])
    evaluate.main(["a", "c", "--old", "a", "--quiet", *DIGITS])
    out = capsys.readouterr().out
    assert out.count("does not know 1 of the classes (ship)") == 2
    assert "c does not know" in out


def test_patterns_take_library_names(monkeypatch):
    monkeypatch.setattr(evaluate, "_pretrained", lambda kind: [f"{kind}net1", f"{kind}net2", "other"])
    assert evaluate.expand(["tv:*net?", "runs/x", "tv:tvnet1", "timm:[o]*"]) == [
        *("tv:tvnet1", "tv:tvnet2", "runs/x", "timm:other"),
    ]
    with pytest.raises(InputError, match="matches no model"):
        evaluate.expand(["tv:z*"])


def test_a_pattern_takes_packaged_weights_too():
    assert evaluate.expand(["pkg:*2"]) == ["pkg:efficientnet_lite2"]


@pytest.mark.slow
def test_torchvision_lists_its_models():
    assert "tv:resnet18" in evaluate.expand(["tv:resnet*"])


def test_the_data_is_never_guessed_and_classes_go_through(calls):
    calls.replace(modelheir.assemble, "evaluate", rows)
    with pytest.raises(InputError, match=r"which data\? .* none among a, tv:x: give --data"):
        evaluate.main(["a", "tv:x", "--old", "a", "--quiet"])
    evaluate.main(["a", *DIGITS, "--quiet"])
    assert calls["evaluate"][1]["classes"] == "by-name"
    evaluate.main(["a", *DIGITS, "--quiet", "--classes", "by-order"])
    assert calls["evaluate"][1]["classes"] == "by-order"
