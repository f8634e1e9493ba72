"""Rows on disk survive kills, resumes and new columns."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.runs.trackers import Trackers, read_metrics


def rows_of_csv(folder):
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_rows_are_in_both_files(tmp_path):
    with Trackers((), tmp_path) as log:
        log.write({"stage": "a", "epoch": 0, "step": 5, "loss": 0.5})
        log.write({"stage": "a", "epoch": 1, "step": 10, "loss": 0.25})
    assert read_metrics(tmp_path / "metrics.jsonl")[1] == {"stage": "a", "epoch": 1, "step": 10, "loss": 0.25}
    assert [row["loss"] for row in rows_of_csv(tmp_path)] == ["0.5", "0.25"]


def test_new_columns_extend_the_table(tmp_path):
    log = Trackers((), tmp_path)
    log.write({"stage": "a", "epoch": 0, "loss": 1.0})
    log.write({"stage": "a", "epoch": 1, "loss": 1.0, 'odd, "name"': 2.0})
    log.write({"stage": "a", "epoch": 2})
    rows = rows_of_csv(tmp_path)
    assert list(rows[0]) == ["stage", "epoch", "loss", 'odd, "name"']
    assert [row['odd, "name"'] for row in rows] == ["", "2.0", ""]


def test_rewind_drops_this_stage_only(tmp_path):
    log = Trackers((), tmp_path)
    for stage in "ab":
        for epoch in range(3):
            log.write({"stage": stage, "epoch": epoch, "step": epoch * 4})
    log.rewind("b", 1)
    log.write({"stage": "b", "epoch": 1, "step": 4})
    kept = [(row["stage"], row["epoch"]) for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert kept == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)]
    assert [(row["stage"], int(row["epoch"])) for row in rows_of_csv(tmp_path)] == kept


def test_a_torn_last_line_is_dropped(tmp_path):
    log = Trackers((), tmp_path)
    log.write({"stage": "a", "epoch": 0, "loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as handle:
        handle.write('{"stage": "a", "epo')
    log = Trackers((), tmp_path)
    log.rewind("a", 1)
    log.write({"stage": "a", "epoch": 1, "loss": 2.0})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [1.0, 2.0]
    assert len(rows_of_csv(tmp_path)) == 2


def test_not_finite_values_are_null(tmp_path):
    Trackers((), tmp_path).write({"epoch": 0, "loss": float("nan")})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"epoch": 0, "loss": null}\n'


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Trackers(("tensorboard",), None) as log:
        log.write({"epoch": 0})
        log.rewind("a", 0)
    assert list(tmp_path.iterdir()) == []


def test_unknown_tracker(tmp_path):
    with pytest.raises(InputError, match=r"unknown tracker 'wandbb'\. Did you mean 'wandb'"):
        Trackers(("wandbb",), tmp_path)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=5), st.floats(allow_nan=False, allow_infinity=False))))
def test_any_rows_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("run")
    log = Trackers((), folder)
    for row in rows:
        log.write(row)
    assert read_metrics(folder / "metrics.jsonl") == rows
