"""Processes side by side: what dies is said and done again, what is refused is told, what is stopped goes on."""

import math
import os
import signal

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.engine.population import processes
from modelheir.engine.population.members import Members
from modelheir.inference.runtime import Runtime
from modelheir.runs.folder import RunFolder
from modelheir.types import LossTerms


def deadly(path, *, at=8, lives=1, how=lambda: os.kill(os.getpid(), signal.SIGKILL)):
    """Return an objective that ends its process in step ``at`` of the second member, so many times."""

    def objective(model):
        def terms(batches, step):
            batch = batches["train"]
            deaths = len(list(path.glob("death_*")))
            if step.number == at and deaths < lives and torch.is_tensor(model.head.bias) and dying(model):
                (path / f"death_{deaths}").touch()
                how()
            return LossTerms({"task": cross_entropy(model(batch.inputs).logits, batch.labels)})

        def dying(model):
            return model.body[3].p == 0.125

        return terms

    return objective


def with_one_dying(grids):
    return [{**one, "dropout": 0.125 if number == 1 else 0.0} for number, one in enumerate(grids.settings)]


def test_a_process_that_dies_is_said_and_its_member_is_trained_again(grids, notes, tmp_path, toy):
    settings = with_one_dying(grids)
    straight = grids.run(tmp_path / "a", grid=grids.grid(settings))
    (tmp_path / "b").mkdir()
    killed = grids.grid(settings, "processes", objective=deadly(tmp_path))
    done = grids.run(tmp_path / "b", grid=killed, progress=notes)
    assert len(list(tmp_path.glob("death_*"))) == 1
    said = [line for line in notes if "signal 9" in line]
    assert len(said) == 1
    assert "the process of lr = 0.01, penalty = 0.1, dropout = 0.125" in said[0]
    assert "started again" in said[0]
    assert grids.table(done) == grids.table(straight)
    assert toy.equal(done.weights("model"), straight.weights("model"))


def test_a_member_whose_processes_die_again_and_again_ends_the_grid(grids, tmp_path, toy):
    settings, endless = with_one_dying(grids), deadly(tmp_path, lives=99)
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=r"dropout = 0.125, seed = 5 ended by signal 9, .* 3 times"):
        grids.run(tmp_path / "b", grid=grids.grid(settings, "processes", objective=endless))
    assert len(list(tmp_path.glob("death_*"))) == 3
    healed = grids.run(tmp_path / "b", grid=grids.grid(settings, "processes"))  # the rest is untouched
    assert grids.table(healed) == grids.table(grids.run(tmp_path / "a", grid=grids.grid(settings)))


def fail_input():
    raise InputError("the third image is upside down.")


def fail_program():
    raise KeyError("nobody expects")


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [(fail_input, InputError, "^the third image"), (fail_program, RuntimeError, r"(?s)Traceback.*nobody expects")],
)
def test_what_a_process_raises_is_raised_here(how, error, said, grids, tmp_path):
    failing = deadly(tmp_path, how=how)
    (tmp_path / "b").mkdir()
    with pytest.raises(error, match=said):
        grids.run(tmp_path / "b", grid=grids.grid(with_one_dying(grids), "processes", objective=failing))
    assert len(list(tmp_path.glob("death_*"))) == 1


def test_what_is_stopped_in_the_middle_goes_on_to_the_same_bits(grids, toy, tmp_path):
    straight = grids.run(tmp_path / "a", "processes", log=(rows := toy.rows()))
    again = toy.rows()
    with pytest.raises(toy.stopped):
        grids.run(tmp_path / "b", "processes", stop_after=12, log=again)
    resumed = grids.run(tmp_path / "b", "processes", log=again)
    assert grids.table(straight) == grids.table(resumed)
    assert toy.equal(straight.weights("model"), resumed.weights("model"))
    place = lambda row: (row["stage"], row["epoch"])  # noqa: E731 - processes write in any order
    assert sorted(toy.same_rows(rows), key=place) == sorted(toy.same_rows(again), key=place)


def test_each_process_has_one_thread_and_the_first_one_keeps_its_own(grids, toy, tmp_path):
    def objective(model):
        def terms(batches, step):
            batch, threads = batches["train"], torch.tensor(float(torch.get_num_threads()))
            own = torch.tensor(float(os.getpid() % 1000))
            return LossTerms(
                {"task": cross_entropy(model(batch.inputs).logits, batch.labels)}, {"t": threads, "p": own}
            )

        return terms

    before, rows = torch.get_num_threads(), toy.rows()
    torch.set_num_threads(2)
    try:
        grids.run(tmp_path, "processes", objective=objective, log=rows)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert {row["t"] for row in rows} == {1.0}
    assert len({row["p"] for row in rows}) == len(grids.settings)
    assert os.getpid() % 1000 not in {row["p"] for row in rows}


def members_of(grids, tmp_path, notes, toy, **more):
    fit = {"runtime": Runtime("cpu"), "fit": grids.fit, "seed": 3, "log": toy.rows(), "progress": notes, **more}
    return Members(grids.grid(), RunFolder(tmp_path).stage(0, "grid"), **fit)


def test_where_processes_cannot_be_it_is_said(grids, tmp_path, notes, toy, monkeypatch):
    members = members_of(grids, tmp_path, notes, toy)
    assert processes.refuse(members, list(members)) == ""
    assert "room or work" in processes.refuse(members, list(members)[:1])
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda pid: {0})
    assert "room or work" in processes.refuse(members, list(members))
    monkeypatch.undo()
    members.runtime.world = 2
    assert "2 processes already" in processes.refuse(members, list(members))
    members.runtime = Runtime("meta")
    assert "for the CPU, and this run is on meta" in processes.refuse(members, list(members))


def test_steps_on_trial_take_time_and_leave_nothing(grids, tmp_path, notes, toy):
    members = members_of(grids, tmp_path, notes, toy)
    assert 0 < processes.try_steps(members, list(members), 3, math.inf) < 60
    assert list(tmp_path.rglob("*.*")) == []
    assert members.log == []
