"""Sizes of shifts, held against an assignment of SciPy on components of NumPy."""

import csv

import numpy as np
import pytest
import yaml
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from modelheir.bench.pictures.settings import ShiftsConfig
from modelheir.bench.pictures.sizes import COLUMNS, measure_shifts
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_history

SEQUENCE = {"data": "synthetic:n=400,classes=2,size=8", "shifts": "rotation:label_flip", "sizes": [50, 50, 50]}
SEQUENCE |= {"test_size": 40}


@pytest.fixture
def sequence(tmp_path):
    path = tmp_path / "drift.yaml"
    path.write_text(yaml.safe_dump(SEQUENCE))
    return f"sequence:{path}"


def apart(a, b):
    cost = cdist(a, b, "sqeuclidean")
    return np.sqrt(cost[linear_sum_assignment(cost)].mean())


def test_a_covariate_shift_is_the_least_work_between_images(sequence, tmp_path):
    (found,) = measure_shifts(ShiftsConfig(data=sequence, out=str(tmp_path / "out"), quiet=True))
    history = open_history(sequence, InputConfig())
    flat = [step["train"].array.reshape(len(step["train"]), -1).astype(float) for step in history.steps]
    every = np.concatenate(flat)
    _, values, axes = np.linalg.svd(every - every.mean(0), full_matrices=False)
    count = np.searchsorted(np.cumsum(values**2) / (values**2).sum(), 0.95) + 1
    placed = [(one - every.mean(0)) @ axes[: min(count, 100)].T for one in flat]
    rows = {row["transition"]: row for row in found.rows}
    for a, b, name in ((0, 1, "0 source to 1 rotation"), (1, 2, "1 rotation to 2 label_flip")):
        assert rows[name]["covariate"] == pytest.approx(apart(placed[a], placed[b]), rel=1e-4)
    halves = rows["two halves of the first step"]
    assert rows["0 source to 1 rotation"]["covariate_ratio"] == pytest.approx(
        rows["0 source to 1 rotation"]["covariate"] / halves["covariate"]
    )
    assert rows["2 label_flip to test"]["conditional_ratio"] == 1.0
    assert rows["1 rotation to test"]["covariate_ratio"] == pytest.approx(
        rows["1 rotation to test"]["covariate"] / rows["2 label_flip to test"]["covariate"]
    )
    table = list(csv.DictReader(found.picture.with_suffix(".csv").read_text().splitlines()))
    assert list(table[0]) == list(COLUMNS)
    assert len(table) == 1 + 2 + 3
    assert "0 source to 1 rotation" in found.picture.read_text()


def test_the_seed_makes_the_halves(sequence, tmp_path):
    first, again, other = (
        measure_shifts(ShiftsConfig(data=sequence, out=str(tmp_path / "out"), quiet=True, seed=seed))[0].rows[0]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first["covariate"] != other["covariate"]


def test_a_suite_has_all_its_sequences(tmp_path):
    suite = {
        "sequences": {
            "ours": {"sequence": SEQUENCE},
            "writers": {"data": "digits", "inputs": {"train_fraction": 0.2}, "method": {"steps": 2}},
        },
        "architectures": {"net": {"model": "convnet"}, "other": {"model": "mlp"}},
        "seeds": [0, 1],
    }
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(suite))
    found = measure_shifts(ShiftsConfig(suite=str(path), out=str(tmp_path / "out"), quiet=True))
    assert [one.sequence for one in found] == ["ours", "writers"]
    assert [one.picture.name for one in found] == ["shifts_ours.svg", "shifts_writers.svg"]
    assert [len(one.rows) for one in found] == [6, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shifts": ""}, "."),
        ({"data": "digits", "shifts": None, "steps": 1, "sizes": None, "test_size": None}, "one step alone"),
    ],
)
def test_a_sequence_of_one_step_is_refused_before_anything_is_written(tmp_path, change, message):
    path = tmp_path / "drift.yaml"
    path.write_text(yaml.safe_dump({key: v for key, v in {**SEQUENCE, **change}.items() if v is not None}))
    with pytest.raises(InputError, match=message):
        measure_shifts(ShiftsConfig(data=f"sequence:{path}", out=str(tmp_path / "out"), quiet=True))
    assert not (tmp_path / "out").exists()


def test_a_picture_of_another_is_not_written_over(sequence, tmp_path):
    (tmp_path / "shifts.svg").write_text("mine")
    with pytest.raises(InputError, match="is there already and not a picture"):
        measure_shifts(ShiftsConfig(data=sequence, out=str(tmp_path), quiet=True))
    assert (tmp_path / "shifts.svg").read_text() == "mine"
