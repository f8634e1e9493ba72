"""The fastest over ten steps runs the grid, says so, and stays."""

import dataclasses
import math

import pytest

from modelheir.engine.population import runners


def timed(monkeypatch, **milliseconds):
    """Let the ways take so long, and return the steps they were asked for."""
    asked = []
    for name, value in milliseconds.items():

        def try_steps(members, waiting, count, limit, value=value):
            asked.append((count, limit))
            return value / 1000

        monkeypatch.setitem(runners.RUNNERS, name, dataclasses.replace(runners.RUNNERS[name], try_steps=try_steps))
    return asked


def test_a_grid_of_few_steps_is_not_tried(grids, notes, tmp_path, monkeypatch):
    """Four settings of five steps, and the same with as many as a trial is worth."""
    asked = timed(monkeypatch, sequential=3.0, processes=2.0, stacked=1.0)
    done = grids.run(tmp_path / "few", "auto", progress=notes, epochs=1)
    assert asked == []
    assert done.describe["grid"]["runner"] == "sequential"
    monkeypatch.setattr(runners, "_WORTH", 4 * 5)
    done = grids.run(tmp_path / "many", "auto", progress=notes, epochs=1)
    assert done.describe["grid"]["runner"] == "stacked"


@pytest.fixture
def tried(monkeypatch):
    """Every grid is worth a trial."""
    monkeypatch.setattr(runners, "_WORTH", 0)


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("fastest", ["sequential", "processes", "stacked"])
def test_the_fastest_is_taken_and_named(fastest, grids, notes, tmp_path, monkeypatch):
    times = {name: 1.0 if name == fastest else 2.5 for name in runners.RUNNERS}
    asked = timed(monkeypatch, **times)
    done = grids.run(tmp_path, "auto", progress=notes, epochs=1)
    assert [count for count, _ in asked] == [10, 10, 10]
    assert [limit for _, limit in asked] == [math.inf, times["sequential"] / 1000, min(list(times.values())[:2]) / 1000]
    assert done.describe["grid"]["runner"] == fastest
    assert done.describe["grid"]["milliseconds"] == times
    said = ", ".join(f"{name} {value:.2f}" for name, value in times.items())
    assert f"grid: 4 settings, {fastest}: milliseconds a step and setting are {said}" in notes


@pytest.mark.usefixtures("tried")
def test_what_cannot_stack_is_not_tried(grids, notes, tmp_path, monkeypatch):
    timed(monkeypatch, sequential=2.0, processes=3.0, stacked=1.0)
    done = grids.run(tmp_path, grid=grids.grid(runner="auto", share=False, epochs=1), progress=notes)
    assert done.describe["grid"]["runner"] == "sequential"
    assert set(done.describe["grid"]["milliseconds"]) == {"sequential", "processes"}


def test_a_single_member_leaves_no_choice(grids, notes, tmp_path):
    done = grids.run(tmp_path, grid=grids.grid(grids.settings[:1], "auto", epochs=1), progress=notes)
    assert done.describe["grid"] | {"members": 0} == {
        "runner": "sequential",
        "milliseconds": {},
        "chosen": 0,
        "members": 0,
    }
    assert "grid: 1 settings, sequential" in notes


@pytest.mark.usefixtures("tried")
def test_what_was_chosen_stays_after_an_interruption(grids, toy, tmp_path, monkeypatch):
    timed(monkeypatch, sequential=1.0, processes=2.0, stacked=3.0)
    with pytest.raises(toy.stopped):
        grids.run(tmp_path, "auto", stop_after=7)
    timed(monkeypatch, sequential=9.0, processes=2.0, stacked=1.0)
    done = grids.run(tmp_path, "auto")
    assert done.describe["grid"]["runner"] == "sequential"
    assert done.describe["grid"]["milliseconds"]["sequential"] == 1.0


def test_a_runner_that_is_asked_for_and_cannot_is_refused(grids, tmp_path):
    with pytest.raises(ValueError, match=r"grid: 4 settings cannot be run stacked: the grid does not say"):
        grids.run(tmp_path, grid=grids.grid(runner="stacked", share=False))
