"""A search from end to end: ordinary runs, resumed, chosen by the selection split alone."""

import json

import pytest

import modelheir
from modelheir.assemble.searching import search as searching
from modelheir.checks import InputError
from modelheir.config.mapping import read_yaml
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder

WORLD = {"data": "synthetic:n=120,classes=3,size=8", "model": "mlp", "device": "cpu", "quiet": True, "epochs": 1}
SPACE = {"fit.lr": [0.01, 0.00001], "inputs.erase": [0.0, 0.5]}


@pytest.fixture
def fake(monkeypatch):
    """Runs that leave a result alone: the selection split likes a high rate, the reporting split a low one."""
    trained = []

    def train(method, config, settings, *, command=()):
        trained.append(config)
        if config.fit.lr == 0.5:
            raise InputError("the loss is not finite")
        val = 0.5 + config.fit.lr - 0.1 * config.inputs.erase
        folder = RunFolder(config.out)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.result, {"val/accuracy": {"value": val}, "test/accuracy": {"value": 1 - val}})

    monkeypatch.setattr(searching, "train", train)
    return trained


def search(out, **changes):
    given = {"space": SPACE, "strategy": "greedy", **WORLD, **changes}
    return modelheir.search("finetune", given.pop("space"), out=str(out), **given)


@pytest.mark.slow
def test_real_trials_and_the_best_settings_train(tmp_path):
    found = search(tmp_path / "s", space={"fit.lr": [1e-7]}, epochs=3)
    assert [trial.state for trial in found.trials] == ["finished", "finished"]
    assert found.best.number == 0
    for trial in found.trials:
        row = json.loads(RunFolder(found.run(trial)).result.read_text())["val/accuracy"]
        assert trial.value == row["value"]
        assert RunFolder(found.run(trial)).status()["state"] == "finished"
    run = modelheir.train("finetune", config=found.settings, out=str(tmp_path / "again"))
    again = json.loads(RunFolder(run).result.read_text())["val/accuracy"]
    assert again["value"] == found.best.value


def test_the_selection_split_decides(tmp_path, fake):
    found = search(tmp_path / "s")
    assert found.best.changes == {"fit.lr": 0.01}
    assert found.complete
    assert read_yaml(found.settings)["fit"]["lr"] == 0.01
    assert read_yaml(found.settings)["train"] == "finetune"
    assert [config.seed for config in fake] == [0] * len(fake)


def test_run_again_it_goes_on(tmp_path, fake):
    first = search(tmp_path / "s", trials=2)
    assert (len(fake), first.complete) == (2, False)
    again = search(tmp_path / "s", trials=2)
    assert (len(fake), again.trials) == (2, first.trials)
    whole = search(tmp_path / "s")
    straight = search(tmp_path / "other")
    assert [trial.changes for trial in whole.trials] == [trial.changes for trial in straight.trials]


def test_a_trial_that_was_stopped_is_gone_on_with(tmp_path, fake, monkeypatch):
    search(tmp_path / "s", trials=1)
    with monkeypatch.context() as patch:
        patch.setattr(searching, "train", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "s")
    held = json.loads((tmp_path / "s" / "search.json").read_text())
    assert [row["state"] for row in held["trials"]] == ["finished", "running"]
    found = search(tmp_path / "s")
    assert [trial.number for trial in found.trials] == [0, 1, 2, 3]
    assert fake[1].out.endswith("trials/001")


def test_a_trial_that_fails_is_told_and_left(tmp_path, fake):
    found = search(tmp_path / "s", space={"fit.lr": [0.5, 0.01]})
    assert [(trial.state, trial.reason) for trial in found.trials[1:2]] == [("failed", "the loss is not finite")]
    assert found.best.changes == {"fit.lr": 0.01}
    with pytest.raises(InputError, match=r"none of the 2 trials could be trained; the first: the loss is not finite"):
        search(tmp_path / "t", space={"inputs.erase": [0.5]}, **{"fit.lr": 0.5})


def test_where_and_how_loudly_a_process_tries_is_its_own(tmp_path, fake):
    first = search(tmp_path / "s")
    assert search(tmp_path / "s", quiet=False, device="auto").trials == first.trials


def test_another_search_is_refused(tmp_path, fake):
    search(tmp_path / "s")
    for change, said in (
        ({"epochs": 2}, r"holds a search with fit\.epochs = 1, and this one has 2"),
        ({"space": {"fit.lr": [0.01]}}, r"holds a search with space\."),
        ({"strategy": "random"}, r"strategy = 'greedy', and this one has 'random'"),
    ):
        with pytest.raises(InputError, match=said if change.get("strategy") is None else r"strategy|extra"):
            search(tmp_path / "s", **change)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="is there and holds no search: give another --out"):
        search(tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trials": 0}, r"trials = 0: must be a whole number >= 1"),
        ({"strategy": "girdle"}, r"strategy = 'girdle': must be one of tpe, random, greedy, grid, hyperband"),
        ({"inputs.val_fraction": 0.0}, r"the val split is empty"),
        ({"space": {"fit.lrr": [1]}}, r"Did you mean 'fit\.lr'"),
        ({"space": {"fit.lr": {"low": 0.1, "high": 1.0}}}, "is given by a range"),
        ({"space": {"fit.epochs": [1, 2]}, "strategy": "hyperband"}, r"fit\.epochs is what hyperband raises"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, fake, change, said):
    with pytest.raises(InputError, match=said):
        search(tmp_path / "s", **change)
    assert not (tmp_path / "s").exists()
    assert fake == []


def test_a_grid_is_every_combination_and_ends(tmp_path, fake):
    found = search(tmp_path / "s", space={"fit.lr": [0.01, 0.5], "inputs.erase": [0.0, 0.5]}, strategy="grid")
    assert [tuple(trial.changes.values()) for trial in found.trials] == [
        (0.01, 0.0),
        (0.01, 0.5),
        (0.5, 0.0),
        (0.5, 0.5),
    ]
    assert [trial.state for trial in found.trials] == ["finished", "finished", "failed", "failed"]
    assert (found.best.number, found.complete) == (0, True)
    some = search(tmp_path / "t", space={"fit.lr": [0.01, 0.02, 0.03]}, strategy="grid", trials=2)
    assert (len(some.trials), some.complete) == (2, False)


@pytest.mark.extras
def test_hyperband_lengthens_the_best(tmp_path, fake):
    pytest.importorskip("optuna", reason="optuna is missing: pip install 'modelheir[search]'")
    space = {"fit.lr": [0.01, 0.02, 0.03, 0.04], "inputs.erase": [0.0, 0.1, 0.2]}
    found = search(tmp_path / "s", space=space, strategy="hyperband", epochs=3)
    lengths = [config.fit.epochs for config in fake]
    assert lengths == [1, 1, 1, 3, 3, 3] == [trial.changes["fit.epochs"] for trial in found.trials]
    first = max(found.trials[:3], key=lambda trial: trial.value)
    assert found.trials[3].changes == {**first.changes, "fit.epochs": 3}
    assert found.trials[0].changes == {"fit.epochs": 1}
    assert read_yaml(found.settings)["fit"]["epochs"] == found.best.changes["fit.epochs"]


@pytest.mark.extras
def test_tpe_finds_what_is_better(tmp_path, fake):
    pytest.importorskip("optuna", reason="optuna is missing: pip install 'modelheir[search]'")
    space = {"fit.lr": {"low": 1e-4, "high": 0.1, "log": True}, "inputs.erase": [0.0, 0.5]}
    found = search(tmp_path / "s", space=space, strategy="tpe", trials=12)
    assert found.best.value > 0.52
    more = search(tmp_path / "s", space=space, strategy="tpe", trials=13)
    assert more.trials[:12] == found.trials
    assert len(fake) == 13
