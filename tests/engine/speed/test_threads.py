"""The faster number of threads is measured, said, and kept; what the user set is never touched."""

import pytest
import torch

from modelheir.engine.speed import threads
from modelheir.inference.runtime import Runtime
from modelheir.plans import Stage


@pytest.fixture(autouse=True)
def two(monkeypatch):
    """Two threads and nothing in the environment; as before in the end."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with threads.restored():
        torch.set_num_threads(2)
        yield


class Clock:
    """A step takes ``seconds[threads]``; the first steps take longer."""

    def __init__(self, seconds):
        self.seconds, self.now, self.steps, self.used = seconds, 0.0, 0, []

    def perf_counter(self):
        return self.now

    def step(self):
        self.used.append(torch.get_num_threads())
        self.now += self.seconds[torch.get_num_threads()] + (9.0 if self.steps < 2 else 0.0)
        self.steps += 1


@pytest.mark.parametrize(("seconds", "chosen"), [({1: 1.0, 2: 3.6}, 1), ({1: 1.0, 2: 0.6}, 2)])
def test_the_faster_number_is_chosen_said_and_kept(seconds, chosen, monkeypatch):
    clock, said, runtime = Clock(seconds), [], Runtime("cpu")
    monkeypatch.setattr(threads, "time", clock)
    choice = threads.Threads(runtime, 0, said.append)
    choice.begin()
    while choice.open:
        choice.measure(clock.step)
    assert clock.used == [2, 2, *(2, 1) * 4]
    assert torch.get_num_threads() == runtime.threads == chosen
    assert f"1000.00 ms with 1 and {1000 * seconds[2]:.2f} ms with 2" in said[0]
    torch.set_num_threads(2)
    again = threads.Threads(runtime, 0, said.append)
    again.begin()
    assert not again.open
    assert torch.get_num_threads() == chosen


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_what_the_user_set_is_not_measured(name, monkeypatch):
    monkeypatch.setenv(name, "2")
    choice = threads.Threads(Runtime("cpu"), 0, pytest.fail)
    choice.begin()
    assert not choice.open
    assert torch.get_num_threads() == 2


def test_a_number_that_is_asked_for_is_used(toy, tmp_path):
    (stage,) = toy.plain()
    seen, task = [], stage.prepare({})
    task.objective, loss = lambda b, s: seen.append(torch.get_num_threads()) or loss(b, s), task.objective
    toy.run([Stage("train", lambda done: task)], tmp_path, threads=1, epochs=1)
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


def test_the_choice_is_kept_in_the_resume_point_and_the_result(toy, tmp_path, monkeypatch):
    """After a kill, and in a later stage, it is read back and not measured again."""
    plan = [*toy.plain(), Stage("next", toy.plain()[0].prepare)]
    choose = threads.Threads._choose
    monkeypatch.setattr(threads.Threads, "_choose", lambda self: self.seconds.update({1: 1.0, 2: 2.0}) or choose(self))
    with pytest.raises(toy.stopped):
        toy.run(plan, tmp_path, stop_after=13)
    monkeypatch.setattr(threads.Threads, "measure", lambda *a: pytest.fail("measured again"))
    done = toy.run(plan, tmp_path)
    assert [done[name].describe["threads"] for name in ("train", "next")] == [1, 1]
    assert toy.run(plan, tmp_path)["next"].describe["threads"] == 1


def test_compiled_code_is_not_measured():
    choice = threads.Threads(Runtime("cpu"), 0, pytest.fail, settled=True)
    choice.begin()
    assert not choice.open
