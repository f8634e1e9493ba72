"""Members one after another: each is the training of its task alone, and an interrupted one goes on where it stood."""

import pytest


def test_a_grid_that_is_killed_within_a_member_goes_on_inside_it(grids, toy, tmp_path):
    straight = grids.run(tmp_path / "a")
    with pytest.raises(toy.stopped):
        grids.run(tmp_path / "b", stop_after=23, save_every_steps=2)
    folder = tmp_path / "b" / "stages" / "00_grid"
    assert not (folder / "result.json").exists()
    assert sum(1 for _ in folder.glob("members/*/result.json")) < len(grids.settings)
    assert sum(1 for _ in folder.glob("members/*/resume.safetensors")) == 1
    resumed = grids.run(tmp_path / "b")
    assert grids.table(straight) == grids.table(resumed)
    assert toy.equal(straight.weights("model"), resumed.weights("model"))
    assert not (folder / "members").exists()


def test_finished_members_are_not_trained_again(grids, toy, tmp_path):
    with pytest.raises(toy.stopped):
        grids.run(tmp_path, stop_after=45)
    finished = {path.parent.name for path in tmp_path.rglob("members/*/result.json")}
    assert finished
    rows = toy.rows()
    grids.run(tmp_path, log=rows)
    assert {int(row["stage"].split("/")[1]) for row in rows} == set(range(4)) - set(map(int, finished))
