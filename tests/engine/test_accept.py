"""What a stage must have is looked for before its first batch."""

import dataclasses

import pytest

from modelheir.checks import InputError
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms


def test_a_task_needs_one_of_objective_and_update(toy, tmp_path):
    task = Task({"model": toy.net()}, {"train": toy.make_stream()})
    with pytest.raises(ValueError, match="an objective or an update"):
        toy.run([Stage("train", lambda _: task)], tmp_path)


def test_the_module_to_evaluate_is_looked_for_before_training(toy, tmp_path):
    def objective(batches, step):
        pytest.fail("trained")

    val = {"val": toy.make_stream(60, seed=8, train=False)}
    task = Task({"t0": toy.net(), "t1": toy.net()}, {"train": toy.make_stream()}, objective, evaluate=val, publish="t2")
    with pytest.raises(ValueError, match="stage joint has no module 't2' to evaluate, only t0, t1"):
        toy.run([Stage("joint", lambda _: task)], tmp_path)
    alone = dataclasses.replace(task, publish="")
    with pytest.raises(ValueError, match="stage joint publishes no module and says no prediction: how do t0, t1 pred"):
        toy.run([Stage("joint", lambda _: alone)], tmp_path)


def test_settings_that_need_a_labelled_selection_split(toy, tmp_path):
    task = toy.two_streams()
    blind = {"val": toy.make_stream(60, seed=8, train=False, labelled=False)}
    for evaluate in ({}, blind):
        other = dataclasses.replace(task, evaluate=evaluate)
        with pytest.raises(InputError, match=r"fit\.keep = 'best': stage train has no labelled selection split"):
            toy.run(toy.one(lambda other=other: other), tmp_path, keep="best")
        with pytest.raises(InputError, match=r"fit\.schedule = 'plateau': stage train has no labelled"):
            toy.run(toy.one(lambda other=other: other), tmp_path, schedule="plateau")
    toy.run(toy.one(lambda: dataclasses.replace(task, evaluate=blind)), tmp_path, epochs=1)


def test_graphs_are_of_compiled_code_and_of_the_engines_own_steps(toy, tmp_path):
    with pytest.raises(InputError, match=r"fit\.cuda_graphs = True needs fit\.compile = True: it is compiled code"):
        toy.run(toy.plain(), tmp_path, cuda_graphs=True)
    task = dataclasses.replace(toy.two_streams(), objective=None, update=lambda batches, step: LossTerms({}))
    with pytest.raises(InputError, match=r"fit\.cuda_graphs = True: stage train does its own steps; leave it out"):
        toy.run(toy.one(lambda: task), tmp_path, cuda_graphs=True, compile=True)


def test_accumulation_is_refused_where_the_task_steps_itself(toy, tmp_path):
    task = Task({"model": toy.net()}, {"train": toy.make_stream()}, update=lambda b, s: LossTerms({}))
    with pytest.raises(InputError, match=r"fit\.accumulate = 2: stage train does its own steps"):
        toy.run(toy.one(lambda: task), tmp_path, accumulate=2)


class Cut:
    """A stream that gives fewer batches than its length says, or has none."""

    def __init__(self, stream, length, given):
        self.stream, self.length, self.given = stream, length, given

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __len__(self):
        return self.length

    def epoch(self, epoch, start=0):
        yield from list(self.stream.epoch(epoch, start))[: self.given]


@pytest.mark.parametrize("name", ["labelled", "pool"])
def test_a_stream_without_a_batch(name, toy, tmp_path):
    task = toy.two_streams()
    streams = {**task.streams, name: Cut(task.streams[name], 0, 0)}
    with pytest.raises(InputError, match=f"the {name} data gives no whole batch of 20"):
        toy.run(toy.one(lambda: dataclasses.replace(task, streams=streams)), tmp_path)


def test_a_stream_that_breaks_its_promise(toy, tmp_path):
    task = toy.two_streams()
    streams = {**task.streams, "labelled": Cut(task.streams["labelled"], 5, 4)}
    with pytest.raises(ValueError, match="stream 'labelled' promised 5 batches, gave 4"):
        toy.run(toy.one(lambda: dataclasses.replace(task, streams=streams)), tmp_path)
