"""The command: from snapshots of its own or of another run to a network and a table."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from modelheir import models
from modelheir.checks import InputError
from modelheir.cli import main
from modelheir.config.fit import SnapshotConfig
from modelheir.config.run import TrainConfig
from modelheir.methods.subspace import subspace
from modelheir.runs.predictions import read_predictions

DATA = ["--data", "synthetic:n=120,classes=3,size=8", "--model", "mlp", "--quiet"]
KEEP = ["--fit.epochs", "4", "--fit.snapshots.every_epochs", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("subspace")


@pytest.fixture(scope="module")
def collected(place):
    words = ["train", "subspace", *DATA, *KEEP, "--method.snapshots", ":", "--ways", "cut", "swa", "psgd"]
    assert main([*words, "--out", str(place / "collected")]) == 0
    return place / "collected"


@pytest.fixture(scope="module")
def old(place):
    assert main(["train", "finetune", *DATA, *KEEP, "--out", str(place / "old")]) == 0
    return place / "old"


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_the_run_is_the_best_way_by_the_selection_images(collected):
    rows = {key: row for key, row in result(collected).items() if key.startswith("way/")}
    assert set(rows) == {"way/cut", "way/swa", "way/psgd"}
    best = [key for key, row in rows.items() if row.get("chosen")]
    assert rows[best[0]]["selection"] == max(row["selection"] for row in rows.values())
    said = read_predictions(collected / "predictions" / "test.parquet")
    assert result(collected)[best[0]]["value"] == pytest.approx((said.prediction == said.label).mean())
    assert (rows["way/cut"]["passes"], rows["way/psgd"]["passes"]) == (0, 2)
    assert rows["way/swa"]["passes"] == pytest.approx(1 / 3)
    assert "selection  reporting  passes" in rows[best[0]]["note"]
    ours = models.load(f"run:{collected}").state_dict()
    kept = models.load(f"run:{collected}#{best[0].removeprefix('way/')}").state_dict()
    assert all(torch.equal(ours[key], kept[key]) for key in kept)


def test_another_runs_snapshots_serve_as_well_as_its_own(collected, place):
    words = ["train", "subspace", *DATA, "--from", f"run:{collected}#collect", "--method.snapshots", ":"]
    assert main([*words, "--ways", "cut", "swa", "psgd", "--fit.lr", "0.01", "--out", str(place / "again")]) == 0
    ours, theirs = result(place / "again"), result(collected)
    for key in ("way/cut", "way/swa"):
        assert ours[key]["values"] == theirs[key]["values"]
    first, second = (models.load(f"run:{path}#swa").state_dict() for path in (collected, place / "again"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_finetuned_run_is_continued_and_not_touched(old, place):
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    words = ["train", "subspace", *DATA, "--from", f"run:{old}", "--ways", "swa", "pbfgs", "--method.epochs", "1"]
    assert main([*words, "--out", str(place / "continued")]) == 0
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before
    swa = models.load(f"run:{place / 'continued'}#swa").state_dict()
    assert np.isfinite(swa["head.weight"].numpy()).all()


REFUSED = {
    "file": (["--from", "file:a.safetensors"], "snapshots are kept in a run folder"),
    "seeds": (["--from", "OLD", "--method.seeds", "2"], "--from has one"),
    "full": (["--from", "OLD", "--ways", "full"], "the way full"),
    "epochs": (["--from", "OLD", "--fit.epochs", "3"], "method.epochs is how long each way trains"),
    "schedule": (["--from", "OLD", "--fit.schedule", "cosine"], "fit.schedule is of the training that leaves"),
    "off": (["--fit.snapshots.every_epochs", "0"], "fit.snapshots is off"),
    "range": (["--method.snapshots", "3"], "must be start:stop or start:stop:step"),
    "few": (["--from", "OLD", "--method.snapshots", "0:1"], "takes 1 of them: 2 at least are needed"),
    "none": (["--from", "BARE"], "has 0 snapshots"),
    "missing": (["--from", "run:nowhere"], "the run folder nowhere does not exist"),
    "cut short": (["--from", "CUT"], "is not a whole safetensors file"),
    "stage": (["--from", "OLD#trian"], "has no stage 'trian'"),
    "components": (["--method.components", "2.5"], "a whole number of directions"),
    "bits": (["--method.bits", "12"], "must be 32, 16, or 8 and fewer"),
    "held out": (["--from", "OLD", "--method.twa.held_out", "0.1"], "what --from was trained on is not held out"),
    "groups": (
        ["--ways", "twa", "--method.twa.groups", "9"],
        "18 at least are needed (two for each of method.twa.groups = 9)",
    ),
    "trainable": (["--from", "OLD", "--trainable", "head"], "what moves is what the snapshots of --from moved"),
    "many": (["--from", "OLD", "--method.snapshots", ":", "--method.components", "5"], "4 directions about their mean"),
    "still": (["--from", "STILL"], "are identical: that training moved nothing"),
    "decay": (["--ways", "ema", "--method.ema_decay", "1"], "no snapshot after the first would count"),
    "way": (["--ways", "sgd"], "must be"),
    "unread": (["--ways", "swa", "--method.psgd.lr", "1"], "has no effect with"),
    "out": (["--from", "OLD", "--out", "HERE"], "OLD"),
    "classes": (["--from", "OLD", "--inputs.train_classes", "class0", "class1"], "class"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_before_the_first_batch(name, old, place, capsys):
    words, said = REFUSED[name]
    bare = place / "bare"
    if name == "none" and not bare.exists():
        assert main(["train", "finetune", *DATA, "--fit.epochs", "1", "--out", str(bare)]) == 0
    cut = place / "cut"
    if name == "cut short":
        shutil.copytree(old, cut)
        spoilt = max((cut / "stages" / "00_train" / "snapshots").iterdir())
        spoilt.write_bytes(spoilt.read_bytes()[:-100])
    if name == "still":
        words_of_still = ["--fit.epochs", "2", "--snapshots.every", "1", "--fit.lr", "1e-30", "--fit.weight_decay", "0"]
        assert main(["train", "finetune", *DATA, *words_of_still, "--out", str(place / "still")]) == 0
    out = place / f"refused_{name}"
    named = {
        "OLD": f"run:{old}",
        "BARE": f"run:{bare}",
        "STILL": f"run:{place / 'still'}",
        "CUT": f"run:{cut}",
        "OLD#trian": f"run:{old}#trian",
        "HERE": str(old),
    }
    asked = [named.get(word, word) for word in words]
    before = sorted(old.rglob("*"))
    capsys.readouterr()
    target = [] if "--out" in asked else ["--out", str(out)]
    assert main(["train", "subspace", *DATA, *asked, *target]) == 2
    printed = capsys.readouterr().err
    assert (str(old) if said == "OLD" else said) in " ".join(printed.split())
    assert "Traceback" not in printed
    assert not out.exists() or not any(out.iterdir())
    assert sorted(old.rglob("*")) == before


def test_seeds_are_networks_of_their_own(world):
    done = world.run("subspace", "seeds", ways=("cut", "swa"), snapshots=":", seeds=2)
    first, second = (done[f"swa_seed{seed}"].weights("model") for seed in (0, 1))
    assert any(not torch.equal(first[key], second[key]) for key in first)
    row = done["choice"].describe["rows"]["way/swa"]
    assert row["stages"] == ["swa_seed0", "swa_seed1"]
    assert len(row["values"]) == 2


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({"epochs": 1, "snapshots": SnapshotConfig(every_epochs=1, start_epoch=1)}, "the training leaves 1 snapshots"),
        ({"epochs": 3, "snapshots": SnapshotConfig(every_epochs=1, keep=1)}, "the training leaves 1 snapshots"),
        ({"epochs": 1, "snapshots": SnapshotConfig(every_steps=1, keep=1)}, "the training left 1 snapshots"),
    ],
)
def test_too_few_snapshots_of_its_own_are_told(world, fit, said):
    with pytest.raises(InputError, match=said):
        world.run("subspace", "few", given=world.given(fit=dataclasses.replace(world.fit, **fit)), ways=("swa",))


@pytest.mark.parametrize(("epochs", "every", "start"), [(5, 2, 0), (4, 2, 0), (6, 4, 1), (3, 1, 2)])
def test_how_many_snapshots_there_will_be_is_known(world, epochs, every, start, monkeypatch):
    told = []
    monkeypatch.setattr(subspace, "need_enough", lambda config, count, used, where: told.append(count))
    fit = {"epochs": epochs, "snapshots": SnapshotConfig(every_epochs=every, start_epoch=start)}
    given = world.given(fit=dataclasses.replace(world.fit, **fit))
    done = world.run("subspace", "known", given=given, ways=("cut",), snapshots=":")
    assert told[0] == len(done["collect"].snapshots())


def test_the_whole_schedule_is_as_long_as_both_parts_together(world, rows):
    log = rows()
    done = world.run("subspace", "full", ways=("full",), snapshots=":", epochs=2, log=log)
    assert sum(row["stage"] == "full" for row in log) == world.fit.epochs + 2
    assert done["choice"].describe["rows"]["way/full"]["passes"] == world.fit.epochs + 2
    assert not done["full"].snapshots()


def test_ways_come_in_any_order(world):
    done = world.run("subspace", "order", ways=("psgd", "swa", "cut"), snapshots=":", epochs=1)
    assert list(done) == ["collect", "cut", "psgd", "swa", "choice"]
    assert set(done["choice"].describe["rows"]) == {"way/psgd", "way/swa", "way/cut", "subspace"}


def test_a_way_that_goes_astray_keeps_where_it_began_and_the_others_go_on(old, place):
    words = ["train", "subspace", *DATA, "--from", f"run:{old}", "--ways", "psgd", "twa", "anneal"]
    rates = ["--method.psgd.lr", "1e30", "--method.twa.lr", "1e30", "--fit.lr", "1e30"]
    assert main([*words, *rates, "--method.begin", "first", "--out", str(place / "astray")]) == 0
    rows = result(place / "astray")
    note = next(row["note"] for key, row in rows.items() if key.startswith("way/") and row.get("chosen"))
    for way, advice in {
        "psgd": "Lower method.psgd.lr.",
        "twa": "Lower method.twa.lr.",
        "anneal": "Lower fit.lr",
    }.items():
        (said,) = rows[f"way/{way}"]["diverged"]
        assert said.startswith(f"{way}: ")
        assert advice in said
        assert "so the weights it began with are kept" in said
        assert said in note
    kept = models.load(f"run:{place / 'astray'}#psgd").state_dict()
    first = models.load(f"run:{place / 'astray'}#anneal").state_dict()
    assert all(torch.isfinite(value).all() for value in kept.values())
    ours = models.load(f"run:{place / 'astray'}#cut").state_dict()
    assert all(torch.equal(first[key], ours[key]) for key in ours)
    assert any(not torch.equal(kept[key], ours[key]) for key in ours)


@pytest.mark.parametrize(
    ("fit", "rates"),
    [
        ({"optimizer": "sgd", "lr": 0.03}, (0.03, 0.03)),
        ({"optimizer": "adamw", "lr": 0.03}, (0.1, 0.1)),
    ],
)
def test_rates_in_the_plane_are_those_of_sgd(world, fit, rates):
    run = TrainConfig(fit=dataclasses.replace(world.fit, **fit))
    found = subspace.settle(subspace.Config(), run)
    assert (found.psgd.lr, found.twa.lr) == rates
    given = dataclasses.replace(found, psgd=dataclasses.replace(found.psgd, lr=7.0))
    assert subspace.settle(given, run).psgd.lr == 7.0
    moved = dataclasses.replace(subspace.Config(), twa=dataclasses.replace(subspace.Config().twa, optimizer="adamw"))
    assert subspace.settle(moved, run).twa.lr == 0.001
