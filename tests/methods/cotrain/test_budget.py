"""A run within a time: what is tried, what is said of the rest, and that going on counts what was done before."""

import json
import time
import types

import pytest

from modelheir.checks import InputError
from modelheir.config.run import TrainConfig
from modelheir.methods.cotrain.budget import spent, within
from modelheir.methods.cotrain.cotrain import Config, accept
from modelheir.plans import Stage, Task

NAMES = ("supervised", "logistic", "concatenated")


def result(seconds):
    return types.SimpleNamespace(describe={} if seconds is None else {"measured": {"seconds": seconds}})


def walk(plan, took):
    """Run a plan whose stages take so many seconds; return their names and what the last was told."""
    done, names = {}, []
    for stage in plan(done):
        names.append(stage.name)
        done[stage.name] = result(took.get(stage.name))
    return names


def plan(seconds, before=()):
    stages = {"a": ["a"], "b": ["a", "b1", "b2"], "c": ["a", "b1", "b2", "c"]}

    def of(name):
        return [Stage(one, lambda done: None) for one in stages[name]]

    return within(
        seconds,
        [Stage(one, lambda done: None) for one in before],
        tuple(stages),
        of,
        lambda left: Stage(f"end, left {','.join(left)}", lambda done: None),
    )


@pytest.mark.parametrize(
    ("seconds", "took", "names"),
    [
        (10, {}, ["a", "b1", "b2", "c", "end, left "]),
        (10, {"a": 10}, ["a", "end, left b,c"]),
        (10, {"a": 9, "b1": 90}, ["a", "b1", "b2", "end, left c"]),
        (10, {"a": 4, "b1": 3, "b2": 2.9}, ["a", "b1", "b2", "c", "end, left "]),
        (1, {"a": 5, "b1": 5}, ["a", "end, left b,c"]),
    ],
)
def test_none_begins_when_the_time_is_over_and_one_that_has_begun_is_finished(seconds, took, names):
    assert walk(plan(seconds), took) == names


def test_the_first_is_tried_whatever_comes_before_it():
    assert walk(plan(1, before=("tuned",)), {"tuned": 60}) == ["tuned", "a", "end, left b,c"]


def test_a_stage_that_was_left_out_took_no_time():
    done = {"a": result(1.5), "b": result(None), "c": result(2.0)}
    assert spent(done) == 3.5


def test_a_stage_keeps_what_it_took_its_preparation_included(monkeypatch):
    now = iter([100.0, 107.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    (stage, _) = within(
        9, (), ("x",), lambda name: [Stage("x", lambda done: Task({}, {}))], lambda left: Stage("", None)
    )({})
    assert stage.prepare({}).measure() == {"seconds": 7.5}


def test_the_run_says_what_was_not_tried(world, few, plain):
    done = few(world.run, "run", given=plain, algorithms=NAMES, budget="0.001s", seeds=2)
    assert [name for name in done if name.startswith(NAMES)] == [
        f"supervised{end}_seed{seed}" for seed in (0, 1) for end in ("", "_calibrated")
    ]
    assert done["supervised_seed0"].describe["measured"]["seconds"] > 0
    (row,) = done["choice"].describe["rows"].values()
    assert row["untried"] == ["logistic", "concatenated"]
    line = "Not tried, as method.budget = 0.001s was over: logistic, concatenated."
    assert line in row["said"]
    assert line in row["note"]
    json.dumps(row)


def test_with_time_enough_everything_is_tried_and_chosen_as_without(world, few, plain):
    settings = {"algorithms": NAMES, "seeds": 2}
    ours = few(world.run, "ours", given=plain, budget="1h", **settings)
    theirs = few(world.run, "theirs", given=plain, **settings)
    assert set(ours) == set(theirs)
    rows = [one["choice"].describe["rows"] for one in (ours, theirs)]
    assert rows[0] == rows[1]
    assert "untried" not in json.dumps(rows)


def test_a_killed_run_goes_on_to_the_same_end(world, few, plain):
    """What was tried before the interruption counts: time that a new process has not seen."""
    settings = {"given": plain, "algorithms": ("supervised", "concatenated", "mct"), "budget": "0.001s"}
    whole = few(world.run, "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        few(world.run, "cut", stop_after=5, **settings)
    after = few(world.run, "cut", **settings)
    assert list(after) == list(whole)
    assert after["choice"].describe["chosen"] == whole["choice"].describe["chosen"]


@pytest.mark.parametrize("text", ["10", "soon", "0m", "10 m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError, match=r"method\.budget = .* must be a time above 0 with its unit"):
        accept(Config(budget=text), TrainConfig())
