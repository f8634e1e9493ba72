"""The state of a stage before its first step, and what counts as its weights."""

import dataclasses

import torch

from modelheir.engine.state import begin
from modelheir.inference.runtime import Runtime
from modelheir.runs.folder import RunFolder


def start(toy, tmp_path, task, **settings):
    fit = dataclasses.replace(toy.fit, **settings)
    return begin(task, RunFolder(tmp_path).stage(0, "train"), Runtime("cpu"), fit, seed=0)


def test_it_begins_before_the_first_step_of_the_first_stream(toy, tmp_path):
    task = toy.two_streams()
    training = start(toy, tmp_path, task, epochs=4)
    assert (training.first, training.length, training.step.steps) == ("labelled", 5, 20)
    assert (training.number, training.waited, training.average) == (0, 0, None)
    assert training.best < -1e300
    own = task.modules["model"].state_dict()
    assert training.live.keys() == {f"model/{key}" for key in own}
    assert all(training.live[f"model/{key}"].data_ptr() == value.data_ptr() for key, value in own.items())


def test_the_average_counts_where_there_is_one_and_is_a_copy(toy, tmp_path):
    task = toy.two_streams()
    training = start(toy, tmp_path, task, ema_decay=0.5)
    first = task.modules["model"].head.weight.detach().clone()
    with torch.no_grad():
        task.modules["model"].head.weight.add_(1.0)
    assert torch.equal(training.kept()["model/head.weight"], first)
    training.put(training.kept())
    assert torch.equal(task.modules["model"].head.weight, first)
    training.average = None
    assert training.kept()["model/head.weight"] is training.live["model/head.weight"]
