"""What a member trains, and what it leaves."""

import dataclasses

import pytest
from torch import nn

from modelheir.engine.population.members import Members, train_member
from modelheir.inference.runtime import Runtime
from modelheir.models.bodies.masks import MaskedDropout
from modelheir.plans import Grid
from modelheir.runs.folder import RunFolder


def members(grids, tmp_path, toy, notes, **more):
    grid = Grid(grids.settings, lambda setting: grids.task(setting, **more))
    folder = RunFolder(tmp_path).stage(0, "grid")
    return Members(grid, folder, Runtime("cpu"), grids.fit, 3, toy.rows(), notes)


def test_members_are_compared_on_the_selection_split(grids, tmp_path, toy, notes):
    all_ = members(grids, tmp_path, toy, notes)
    make = all_.grid.make_task
    all_.grid = dataclasses.replace(
        all_.grid, make_task=lambda setting: dataclasses.replace(make(setting), evaluate={})
    )
    with pytest.raises(ValueError, match="grid are compared on val: give each such a split"):
        all_.task(0)


@pytest.mark.parametrize(("compiled", "kind"), [(False, MaskedDropout), (True, nn.Dropout)])
def test_dropout_draws_fast_unless_compiled(compiled, kind, grids, tmp_path, toy, notes):
    all_ = members(grids, tmp_path, toy, notes, compile=compiled)
    assert type(all_.task(0).modules["model"].body[3]) is kind


def test_a_trained_member_is_a_stage_and_is_no_longer_waited_for(grids, tmp_path, toy, notes):
    all_ = members(grids, tmp_path, toy, notes)
    assert [one.number for one in all_.waiting()] == [0, 1, 2, 3]
    train_member(all_.loop(list(all_)[2]))
    assert [one.number for one in all_.waiting()] == [0, 1, 3]
    result = list(all_)[2].folder.result()
    assert set(result.describe) == {"selection", "loss", "best_epoch", "epochs", "seconds"}
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
