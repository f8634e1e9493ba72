"""Lists of multipliers are tried by real runs, and ranked by what those say on the selection split."""

import numpy as np
import pytest
import yaml

import modelheir
from modelheir.assemble.transfer.multipliers import LISTS, stretched
from modelheir.checks import InputError
from modelheir.runs.predictions import read_predictions

BASE = {"data": "synthetic:n=240,classes=3,size=8", "device": "cpu", "quiet": True}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    out = tmp_path_factory.mktemp("start") / "v1"
    return f"run:{modelheir.train('finetune', model='mlp', epochs=1, fit={'lr': 1e-6}, out=str(out), **BASE)}"


def right(run):
    found = read_predictions(run / "predictions" / "val.parquet")
    return float(np.mean(found.prediction == found.label))


def test_the_best_on_the_selection_split_comes_first(start, tmp_path):
    fit = {"epochs": 2, "lr": 5e-4}
    found = modelheir.multiplier_search(start, seeds=(0, 1), out=tmp_path, fit=fit, **BASE)
    assert {one.name for one in found} == set(LISTS)
    for one in found:
        assert one.multipliers == stretched(LISTS[one.name], 2)  # an mlp has two hidden layers and a head
        assert one.accuracies == tuple(right(run) for run in one.runs)
        assert one.accuracy == pytest.approx(np.mean(one.accuracies))
        for seed, run in enumerate(one.runs):
            config = yaml.safe_load((run / "config.yaml").read_text())
            assert tuple(config["fit"]["lr_multipliers"]) == one.multipliers
            assert (config["seed"], config["method"]["start"], config["fit"]["lr"]) == (seed, start, 5e-4)
    assert [one.accuracy for one in found] == sorted((one.accuracy for one in found), reverse=True)
    assert len({one.accuracies for one in found}) > 1


def test_own_lists_are_taken_as_they_are_and_finished_runs_are_read(start, tmp_path):
    lists = {"frozen": (0.0, 0.0, 0.0), "head": (0, 0)}
    found = modelheir.multiplier_search(start, lists=lists, out=tmp_path, **{"fit.epochs": 1}, **BASE)
    by_name = {one.name: one for one in found}
    assert by_name["frozen"].accuracy == right(type(tmp_path)(start.removeprefix("run:")))
    times = {run: (run / "result.json").stat().st_mtime_ns for one in found for run in one.runs}
    again = modelheir.multiplier_search(start, lists=lists, out=tmp_path, **{"fit.epochs": 1}, **BASE)
    assert again == found
    assert times == {run: (run / "result.json").stat().st_mtime_ns for run in times}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lists": {"short": (1.0,)}}, r"the list 'short' has 1 values, and run:.* has 3 stages.*give 3, or 2 and"),
        ({"lists": {}}, "at least one seed and one list"),
        ({"seeds": ()}, "at least one seed and one list"),
        ({"fit.lr_multipliers": (1.0,)}, r"fit\.lr_multipliers cannot be given here"),
        ({"method.start": "run:x"}, r"method\.start cannot be given here"),
        ({"seed": 3}, "seed cannot be given here"),
        ({"fit.lrr": 3}, "unknown setting 'lrr' in fit"),
        ({"lists": {"low": (-1.0, 1.0)}}, r"fit\.lr_multipliers = -1\.0: must be >= 0"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_run(start, tmp_path, given, said):
    with pytest.raises(InputError, match=said):
        modelheir.multiplier_search(start, out=tmp_path / "out", **given, **BASE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("count", [1, 2, 5, 8, 13])
def test_stretched_lists_keep_their_ends_and_rise(count):
    for one in LISTS.values():
        found = stretched(one, count)
        assert len(found) == count
        assert list(found) == sorted(found)
        assert found[0] == one[0]
        assert count == 1 or found[-1] == one[-1]
    assert stretched(LISTS["transfer"], 5) == LISTS["transfer"]
