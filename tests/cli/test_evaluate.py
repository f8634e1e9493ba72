"""``evaluate``: one row a model, patterns, and models that fail stay in the output."""

import json

import pytest

import modelheir.assemble
from modelheir.checks import InputError
from modelheir.cli import evaluate


def rows(models, data, **named):
    (model,) = models
    if "broken" in model:
        raise InputError("weights do not fit")
    flips = {"nfr": 0.0123, "pfr": 0.05} if named["old"] else {}
    return [{"model": model, "n": 1000, "accuracy": 0.91234, "top5": 0.99, **flips, "file": "c.parquet"}]


def test_table_with_flips(calls, tmp_path, capsys):
    calls.replace(modelheir.assemble, "evaluate", rows)
    file = tmp_path / "rows.json"
    words = ["a", "run:b", "--old", "a", "--cache", str(tmp_path), "--json", str(file), "--quiet"]
    assert evaluate.main(words) == 0
    out = capsys.readouterr().out
    assert "91.23%" in out
    assert "1.23%" in out
    assert [row["model"] for row in json.loads(file.read_text())] == ["a", "run:b"]
    assert calls["evaluate"][1]["cache"] == str(tmp_path)


def test_failed_models_are_listed_and_fail_the_command(calls, capsys):
    calls.replace(modelheir.assemble, "evaluate", rows)
    assert evaluate.main(["a", "broken", "c", "--quiet"]) == 2
    said = capsys.readouterr()
    assert "failed: broken: weights do not fit" in said.err
    assert "NFR" not in said.out
    with pytest.raises(InputError, match="weights do not fit"):
        evaluate.main(["broken"])


def test_patterns_take_library_names(monkeypatch):
    monkeypatch.setattr(evaluate, "_pretrained", lambda kind: [f"{kind}net1", f"{kind}net2", "other"])
    assert evaluate.expand(["tv:*net?", "runs/x", "tv:tvnet1", "timm:[o]*"]) == [
        *("tv:tvnet1", "tv:tvnet2", "runs/x", "timm:other"),
    ]
    with pytest.raises(InputError, match="matches no model"):
        evaluate.expand(["tv:z*"])


@pytest.mark.slow
def test_torchvision_lists_its_models():
    assert "tv:resnet18" in evaluate.expand(["tv:resnet*"])
