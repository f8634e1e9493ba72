"""A pilot from end to end on toy images: what it trains, keeps, forecasts, refuses, and leaves alone."""

import dataclasses
import json
import shutil

import pytest

from modelheir import assemble
from modelheir.assemble import training
from modelheir.assemble.piloting import pairs as training_pairs
from modelheir.assemble.piloting.pilot import forecast_pilot
from modelheir.assemble.piloting.sizes import Pace
from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import read_yaml
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS
from modelheir.methods.distill.after import FixConfig, TargetConfig
from modelheir.methods.distill.distill import Config
from modelheir.runs.folder import RunFolder

DATA = "synthetic:n=400,classes=3,size=8"
POOL = "synthetic:n=500,classes=3,size=8,seed=9"
FAST = Pace(step_with=0.001, step_without=0.001, around_with=0.05, around_without=0.05)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "run"
    config = TrainConfig(data=DATA, model="mlp", out=str(out), device="cpu", quiet=True, fit=FitConfig(epochs=3))
    return f"run:{training.train('finetune', config)}"


@pytest.fixture
def asked(teacher, tmp_path):
    config = TrainConfig(
        data=DATA,
        model="mlp",
        out=str(tmp_path / "student"),
        device="cpu",
        quiet=True,
        seed=3,
        inputs=InputConfig(train_per_class=30),
        fit=FitConfig(epochs=4, batch_size=8),
    )
    own = Config(teacher=(teacher,), unlabelled=POOL, target=TargetConfig(epochs=1), fix=FixConfig(epochs=1, scale=1))
    return config, own


@pytest.fixture
def fast(monkeypatch):
    """Small runs are thought to be fast, so that what is chosen does not depend on this machine."""
    monkeypatch.setattr(training_pairs, "_measured", lambda *_: FAST)


def run(asked, seconds=0.0, **changes):
    config, own = asked
    seen = []
    needed = seconds or 3.0
    made = assemble.pilot("distill", dataclasses.replace(config, **changes), own, seconds=needed, watch=seen.append)
    return made, seen


@pytest.mark.slow
def test_from_end_to_end(asked, fast, monkeypatch, tmp_path):
    monkeypatch.setattr(training_pairs, "choose_pairs", lambda whole, pace, seconds: _two_sizes(whole))
    made, _ = run(asked, seconds=600.0)
    out = tmp_path / "student"
    assert sorted(path.name for path in out.iterdir()) == ["pilot", "pilot.json"]
    held = json.loads((out / "pilot.json").read_text())
    assert len(made.pairs) == made.planned == 4
    assert [(pair.planned, pair.seed) for pair in made.pairs] == [(200, 0), (200, 1), (300, 0), (300, 1)]
    assert made.whole.labelled == 90
    assert made.whole.pool > 400

    # the sums can be redone from the file alone
    again = forecast_pilot(made.pairs, made.whole)
    assert held["forecast"]["gain"] == again.gain == made.forecast.gain
    assert [row["counts"] for row in held["pairs"]] == [list(pair.counts) for pair in made.pairs]
    assert sum(held["pairs"][0]["counts"]) == made.selection == 39

    # the arms: the same seed, data, network and number of steps; without the stage that has no teacher
    places = [out / "pilot" / "200_images" / "seed4" / arm for arm in ("with", "without")]
    ours, plain = (read_yaml(place / "config.yaml") for place in places)
    assert (ours["train"], plain["train"]) == ("distill", "finetune")
    assert ours["method"]["fix"]["epochs"] == 0
    assert "pool_110.parquet" in ours["method"]["unlabelled"]
    assert [one["seed"] for one in (ours, plain)] == [4, 4]
    assert ours["inputs"] == plain["inputs"]
    steps = [sum(row["steps"] for row in rows(place)) for place in places]
    assert steps[0] == 4 * 25 + 11
    assert abs(steps[1] - steps[0]) <= 11

    # run again, nothing is trained
    seen_again = []
    monkeypatch.setattr(training_pairs.SmallRuns, "train", lambda *_, **__: seen_again.append(_))
    found, _ = run(asked, seconds=600.0)
    assert seen_again == []
    assert found.forecast == made.forecast

    # other settings are refused by name
    with pytest.raises(InputError, match=r"is of a pilot with fit\.epochs = 4, and this one has 5"):
        run(asked, seconds=600.0, fit=FitConfig(epochs=5, batch_size=8))

    # and the whole run goes into the same folder
    monkeypatch.undo()
    config, own = asked
    training.train("distill", config, own)
    assert RunFolder(out).status()["state"] == "finished"
    assert json.loads((out / "pilot.json").read_text()) == held


def rows(place):
    return [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]


def _two_sizes(whole):
    images = whole.labelled + whole.pool
    return [(whole.shrunk(count / images), seed) for seed in (0, 1) for count in (200, 300)]


def test_no_time_is_refused_with_the_time_that_is_enough(asked, tmp_path):
    with pytest.raises(InputError, match=r"--pilot 1s is too short: the smallest small runs need about \d+[sm]"):
        run(asked, seconds=0.5)
    assert not RunFolder(tmp_path / "student").begun


def test_it_stops_before_a_pair_that_would_not_end_in_time(asked, fast, monkeypatch):
    monkeypatch.setattr(training_pairs, "choose_pairs", lambda whole, pace, seconds: _two_sizes(whole))
    monkeypatch.setattr(training_pairs, "train_pair", lambda runs, size, seed, watch: pair(size, seed, seconds=90.0))
    monkeypatch.setattr(training_pairs, "_pace", lambda *_: FAST)
    made, _ = run(asked, seconds=100.0)
    assert len(made.pairs) == 1
    assert made.planned == 4


def pair(size, seed, seconds):
    return training_pairs.Pair(size.images, size.labelled, size.pool, seed, (5, 1, 3, 1, 0), seconds)


def test_what_does_not_fit_is_refused_before_anything_is_written(asked, tmp_path):
    config, own = asked
    with pytest.raises(InputError, match="train distill needs --teacher"):
        assemble.pilot("distill", config, dataclasses.replace(own, teacher=()), seconds=60)
    with pytest.raises(InputError, match=r"train finetune has no --pilot.*: distill has"):
        assemble.pilot("finetune", config, METHODS["finetune"].config(), seconds=60)
    assert not (tmp_path / "student").exists()


def test_files_of_others_are_left_alone(asked, tmp_path):
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty and not a run folder"):
        run(asked)
    shutil.rmtree(tmp_path / "student")
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "pilot.json").write_text('{"version": 1}')
    with pytest.raises(InputError, match=r"pilot\.json is damaged, or no pilot's"):
        run(asked)
