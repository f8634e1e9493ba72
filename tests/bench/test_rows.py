"""Rows of a benchmark: what finished cells say, and that cells which say nothing are seen."""

import json

import pytest
import yaml

from modelheir.bench.rows import read_rows
from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder


def write_cell(out, name, *, state="", strategies=("erm_all", "wise_ft"), values=None):
    place = out / "cells" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.with_suffix(".yaml").write_text(
        yaml.safe_dump({"train": "adapt", "method": {"strategies": list(strategies)}})
    )
    if state:
        place.mkdir()
        RunFolder(place).set_status(state)
    if values is not None:
        rows = {f"strategy/{key}": {"value": value, "selection": 0.5, "count": 7} for key, value in values.items()}
        (place / "result.json").write_text(json.dumps(rows))


def test_each_strategy_of_each_cell_is_a_row(tmp_path):
    write_cell(tmp_path, "b/net/seed0", state="finished", values={"erm_all": 0.25, "wise_ft": 0.75})
    write_cell(tmp_path, "a/net/seed3", state="failed")
    write_cell(tmp_path, "a/net/seed2")
    found = [(one.sequence, one.seed, one.strategy, one.state, one.accuracy, one.images) for one in read_rows(tmp_path)]
    assert found == [
        ("a", 2, "erm_all", "missing", None, 0),
        ("a", 2, "wise_ft", "missing", None, 0),
        ("a", 3, "erm_all", "failed", None, 0),
        ("a", 3, "wise_ft", "failed", None, 0),
        ("b", 0, "erm_all", "finished", 0.25, 7),
        ("b", 0, "wise_ft", "finished", 0.75, 7),
    ]


def test_the_setting_that_was_taken_and_how_its_rate_falls_are_told(tmp_path):
    write_cell(tmp_path, "a/net/seed0", state="finished", strategies=("falling", "tuned"))
    setting = {"learning_rate_decay": "linear", "starting_learning_rate": 0.01, "learning_rate_decay_factor": 0.001}
    base = {"value": 0.5, "selection": 0.5, "count": 7}
    taken = {"falling": setting, "tuned": {"rate": 0.1}}
    found = {f"strategy/{name}": {**base, "settings": [one]} for name, one in taken.items()}
    (tmp_path / "cells/a/net/seed0/result.json").write_text(json.dumps(found))
    falling, tuned = read_rows(tmp_path)
    assert {name: getattr(falling, name) for name in setting} == setting
    assert (tuned.setting, tuned.learning_rate_decay, tuned.starting_learning_rate) == ("rate = 0.1", "", None)


def test_a_strategy_that_a_finished_cell_lacks_is_missing(tmp_path):
    write_cell(tmp_path, "a/net/seed0", state="finished", values={"erm_all": 0.25})
    assert [row.state for row in read_rows(tmp_path)] == ["finished", "missing"]


def test_a_folder_without_cells_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no cells of a benchmark: modelheir bench run seq-to-final --out"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("method", "described", "steps"),
    [
        ({}, None, 0),
        ({"steps": 5}, None, 5),
        ({"history": ["a", "b"]}, None, 3),
        ({}, {"data": "digits", "shifts": "rotation:rotation,recolor"}, 3),
        ({}, {"data": ["a", "b"]}, 2),
        ({}, {"data": "digits", "steps": 4}, 4),
    ],
)
def test_the_number_of_steps_is_what_settings_say(tmp_path, method, described, steps):
    write_cell(tmp_path, "a/net/seed0")
    (tmp_path / "cells/a/net/seed0.yaml").write_text(yaml.safe_dump({"train": "adapt", "method": method}))
    if described:
        (tmp_path / "sequences").mkdir()
        (tmp_path / "sequences/a.yaml").write_text(yaml.safe_dump(described))
    assert {row.steps for row in read_rows(tmp_path)} == {steps}
