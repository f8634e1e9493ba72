"""What a member trains, and what it leaves."""

import dataclasses

import pytest

from modelheir.engine.population.members import Members, train_member
from modelheir.inference.runtime import Runtime
from modelheir.plans import Grid
from modelheir.runs.folder import RunFolder


def members(grids, tmp_path, toy, notes, **more):
    grid = Grid(grids.settings, lambda setting: grids.task(setting, **more))
    folder = RunFolder(tmp_path).stage(0, "grid")
    return Members(grid, folder, Runtime("cpu"), grids.fit, 3, toy.rows(), notes)


def test_members_are_compared_by_their_best(grids, tmp_path, toy, notes):
    with pytest.raises(ValueError, match=r"compared by their best: set fit\.keep = best"):
        members(grids, tmp_path, toy, notes, keep="last", keep_start=False).task(0)


def test_a_trained_member_is_a_stage_and_is_no_longer_waited_for(grids, tmp_path, toy, notes):
    all_ = members(grids, tmp_path, toy, notes)
    assert [one.number for one in all_.waiting()] == [0, 1, 2, 3]
    train_member(all_.loop(list(all_)[2]))
    assert [one.number for one in all_.waiting()] == [0, 1, 3]
    result = list(all_)[2].folder.result()
    assert set(result.describe) == {"selection", "best_epoch", "epochs", "seconds"}
    values = [row["val/accuracy"] for row in all_.log]
    assert result.describe["epochs"] == len(values)
    assert result.describe["selection"] == max(values)
    assert result.describe["best_epoch"] == 1 + values.index(max(values))
    assert {row["stage"] for row in all_.log} == {"grid/2"}
    assert result.weights("model").keys() == all_.task(2).modules["model"].state_dict().keys()


def test_a_member_is_evaluated_on_the_selection_split_alone(grids, tmp_path, toy, notes):
    all_ = members(grids, tmp_path, toy, notes)
    make = all_.grid.make_task

    def with_test(setting):
        task = make(setting)
        return dataclasses.replace(task, evaluate={**task.evaluate, "test": None})

    all_.grid = dataclasses.replace(all_.grid, make_task=with_test)
    assert list(all_.loop(next(iter(all_))).task.evaluate) == ["val"]
