"""The commands as Python calls: the same settings, checks and results as the command line."""

import dataclasses
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import modelheir
from modelheir import calls
from modelheir.checks import InputError
from modelheir.cli.compare import main, parser
from modelheir.cli.evaluate import EvaluateConfig
from modelheir.runs.predictions import read_predictions
from modelheir.types import Predictions


def said(answers, logits=None):
    label = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    return Predictions(np.array(list("abcdefgh")), label, np.array(answers), logits=logits)


OLD, NEW = said([0, 1, 2, 0, 0, 2, 2, 3]), said([0, 1, 1, 3, 0, 1, 2, 0])


def test_compare_takes_predictions_and_bounds():
    result = modelheir.compare(OLD, NEW, max_nfr=0.1, point=True)
    assert (result["nfr"], result["pfr"], result["nfi"], result["churn"]) == (0.25, 0.25, 1.0, 0.5)
    assert result["gate"]["passed"] is False
    assert modelheir.compare(OLD, NEW, max_nfr=0.3, point=True)["gate"]["passed"] is True


def test_compare_slices_by_one_column_or_several():
    country = np.array(["de", "de", "fr", "fr"] * 2)
    old, new = (dataclasses.replace(one, columns={"country": country, "all": country[[0] * 8]}) for one in (OLD, NEW))
    one = modelheir.compare(old, new, slice="country")["slices"]
    assert {row["value"]: row["n"] for row in one} == {"de": 4, "fr": 4}
    assert modelheir.compare(old, new, slice=["country"])["slices"] == one
    assert len(modelheir.compare(old, new, slice=["country", "all"])["slices"]) == 3


def test_settings_of_the_commands_have_the_same_names_here():
    """What README says is on the command line alone writes files, except the class names."""
    files = {"json", "html", "summary", "junit", "data", "also", "classes", "help"}
    of_command = {action.dest for action in parser()._actions} - files
    asking, judging = (
        set(inspect.signature(of).parameters) for of in (modelheir.worth_labelling, modelheir.compare_labelled)
    )
    assert {"label_budget", "labels"} < asking
    assert "labels" in judging
    assert judging < of_command | {"classes"}
    assert of_command - {"ask", "label_budget", "labels"} == set(inspect.signature(modelheir.compare).parameters)
    here = inspect.signature(modelheir.evaluate).parameters
    fields = {field.name: field.default for field in dataclasses.fields(EvaluateConfig)}
    assert set(fields) - {"json", "quiet"} <= set(here)
    assert here["cache"].default == fields["cache"]


def test_compare_remembers_replays_and_joins_a_table(tmp_path):
    """The same settings as on the command line; values in the place of files where files are not needed."""
    from modelheir.runs.predictions import write_predictions

    flips, new = tmp_path / "flips.parquet", tmp_path / "new.parquet"
    write_predictions(new, NEW)
    found = modelheir.compare(OLD, new, remember=flips)
    assert found["flips"]["negative"] == pq.read_table(flips)["sample_id"].to_pylist() == ["c", "h"]
    assert (found["new"], found.old) == (str(new), "")
    for release, wrong in ((NEW, ("c", "h")), (OLD, ())):  # predictions as they are belong to no release
        replay = modelheir.compare(OLD, release, replay=str(flips)).replay
        assert (replay.n, replay.wrong_ids, replay.own) == (2, wrong, 0)
    assert modelheir.compare(OLD, NEW, replay=flips, max_replayed=0.1).gate.verdict == "hold"
    assert modelheir.compare(OLD, new, replay=flips).replay.own == 2
    with pytest.raises(InputError, match=r"max_replayed\) needs the list"):
        modelheir.compare(OLD, NEW, max_replayed=0.1)
    with pytest.raises(InputError, match="names the release: give the new model as a file or a run folder"):
        modelheir.compare(OLD, NEW, remember=flips)
    (tmp_path / "meta.csv").write_text("sample_id,country\n" + "".join(f"{name},{name < 'c'}\n" for name in "abcdefg"))
    for old, after in ((OLD, NEW), (OLD, new)):
        found = modelheir.compare(old, after, columns=tmp_path / "meta.csv", slice="country")
        assert [(row.name, row.n) for row in found.slices] == [(False, 5), (True, 2), ("(empty)", 1)]
        assert found.note.endswith("meta.csv lacks 1 of 8 images (h): their cells are empty")
    with pytest.raises(InputError, match="name one to slice by"):
        modelheir.compare(OLD, NEW, columns=tmp_path / "meta.csv")


def test_compare_takes_files_in_any_order(tmp_path):
    from modelheir.runs.predictions import write_predictions

    order = np.array([7, 0, 3, 1, 2, 6, 5, 4])
    write_predictions(tmp_path / "old.parquet", OLD)
    mixed = Predictions(NEW.sample_id[order], NEW.label[order], NEW.prediction[order])
    write_predictions(tmp_path / "new.parquet", mixed)
    for old in (OLD, tmp_path / "old.parquet", str(tmp_path / "old.parquet")):
        assert modelheir.compare(old, tmp_path / "new.parquet")["flips"]["negative"] == ["c", "h"]


@pytest.mark.parametrize("read", [modelheir.compare, lambda *files: main(["--max-nfr", "1", *map(str, files)])])
def test_compare_reads_no_column_that_it_is_not_asked_for(read, tmp_path, capsys):
    """Features of differing lengths: whoever reads them refuses them."""
    rows = {"sample_id": ["a", "b"], "label": [0, 1], "prediction": [0, 1], "features": [[1.0], [1.0, 2.0]]}
    files = [tmp_path / "old.parquet", tmp_path / "new.parquet"]
    for file in files:
        pq.write_table(pa.table(rows), file)
        with pytest.raises(InputError):
            read_predictions(file)
    read(*files)


def test_ensemble_counts_the_models_that_a_file_holds(tmp_path):
    from modelheir.runs.predictions import write_predictions

    one, two = (said([k] * 8, np.tile(np.eye(4, dtype=np.float32)[k], (8, 1))) for k in (0, 1))
    write_predictions(tmp_path / "three.parquet", one, members=3)
    found = modelheir.ensemble([tmp_path / "three.parquet", two])
    assert found.members == 4
    assert np.allclose(found.predictions.logits[0], [0.75, 0.25, 0, 0])


def test_readme_says_that_no_bound_was_set(monkeypatch, capsys):
    """The example, and the same without its bound: that is no failed gate."""
    root = Path(__file__).resolve().parents[1]
    monkeypatch.chdir(root)
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.S)
    exec(code, {})
    assert capsys.readouterr().out == "NFR 3.5% [1.4%, 7.1%]: not enough images\n"
    exec(code.replace(", max_nfr=0.05", ""), {})
    assert capsys.readouterr().out == "NFR 3.5% [1.4%, 7.1%]: no bounds were set\n"


def test_a_comparison_reads_by_attributes_too():
    found = modelheir.compare(OLD, NEW)
    assert found.rates.nfr.value == found["nfr"] == found.to_json()["nfr"] == 0.25
    assert (found.gate.passed, found.gate.state) == (None, "none")


@pytest.mark.extras
def test_the_call_is_kept_as_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"data": "synthetic:n=60,classes=3,size=8", "model": "mlp", "quiet": True, "inputs": {"augment": "none"}}
    folder = modelheir.train("finetune", epochs=1, **given, **{"fit.lr": 0.05})
    (call,) = json.loads((folder / "environment.json").read_text())["command"]
    said = "epochs=1, data='synthetic:n=60,classes=3,size=8', model='mlp', quiet=True, inputs={'augment': 'none'}"
    assert call == f"modelheir.train('finetune', {said}, **{{'fit.lr': 0.05}})"
    assert eval(call) == folder  # the same settings: the finished run is read


def test_no_call_imports_the_command_line():
    source = Path(calls.__file__).read_text(encoding="utf-8")
    assert "modelheir.cli" not in source


@pytest.mark.extras
def test_train_takes_settings_as_the_command_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"data": "digits", "model": "mlp", "quiet": True, "fit.lr": 0.05, "inputs": {"train_fraction": 0.1}}
    folder = modelheir.train("finetune", epochs=1, out="runs/one", **settings)
    kept = yaml.safe_load((folder / "config.yaml").read_text())
    assert (kept["train"], kept["fit"]["epochs"], kept["fit"]["lr"]) == ("finetune", 1, 0.05)
    again = modelheir.train("finetune", config=folder / "config.yaml", out="runs/two", quiet=True)
    assert modelheir.compare(folder, again)["churn"] == 0
    assert len(modelheir.predict(f"run:{folder}", "digits", split="val")) > 0


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("upgrad", {}, "Did you mean 'upgrade'"),
        ("finetune", {"epoch": 3}, "unknown setting 'epoch'. Did you mean 'epochs'?"),
        ("finetune", {"learning_rate": 3}, "Did you mean 'fit.lr'?"),
        ("upgrade", {"weight": 3}, "Did you mean 'method.pull.weight'?"),
        ("finetune", {"fit": {"lr": -1.0}}, "fit.lr"),
        ("upgrade", {"method": {"pull": {"weigth": 1.0}}}, "Did you mean 'weight'"),
        ("upgrade", {"data": "digits"}, "needs --old"),
    ],
)
def test_mistakes_are_one_sentence(name, settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        modelheir.train(name, **settings)
    assert list(tmp_path.iterdir()) == []


def test_explain_prints_the_map(capsys):
    modelheir.explain("upgrade")
    assert "src/modelheir/methods/upgrade/upgrade.py" in capsys.readouterr().out
