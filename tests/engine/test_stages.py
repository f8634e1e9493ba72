"""A plan runs one stage after another, each once."""

import dataclasses
import gc
import weakref

import pytest

from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.plans import Stage
from modelheir.runs.folder import RunFolder


def test_a_finished_stage_is_let_go_before_the_next_is_prepared(toy, tmp_path):
    alive = []

    def prepare(done):
        gc.collect()
        alive.append([reference() is not None for reference in models])
        task = toy.two_streams()
        models.append(weakref.ref(task.modules["model"]))
        return task

    models = []
    toy.run([Stage("a", prepare), Stage("b", prepare)], tmp_path, epochs=1)
    assert alive == [[], [False]]


def test_the_same_plan_object_can_run_twice(toy, tmp_path):
    """A finished folder is read back; its plan is not prepared again."""
    calls = []

    def prepare(done):
        calls.append(1)
        return toy.two_streams()

    for _ in range(2):
        run_plan(
            [Stage("train", prepare)],
            RunFolder(tmp_path),
            runtime=Runtime("cpu"),
            fit_config=dataclasses.replace(toy.fit, epochs=1),
            seed=0,
            log=toy.rows(),
            progress=toy.quiet(),
        )
    assert calls == [1]


def test_a_stage_with_nothing_to_do_is_recorded_and_left_out(toy, tmp_path):
    """It is skipped once and for all: a second run does not ask again."""
    asked = []
    (train,) = toy.plain()
    plan = [train, Stage("idle", lambda done: asked.append(sorted(done)))]
    for _ in range(2):
        done = toy.run(plan, tmp_path, epochs=1)
        assert [done[name].skipped for name in ("train", "idle")] == [False, True]
        assert done["idle"].metrics == {}
    assert asked == [["train"]]


def rounds(toy, most=9):
    """Train until three rounds are done, at most ``most`` times, each from the last one's weights."""

    def plan(done):
        for number in range(most):
            yield Stage(f"round{number}", lambda done: prepare(done))
            if len(done) >= 3:
                return

    def prepare(done):
        net = toy.net(seed=1)
        if done:
            net.load_state_dict(done[f"round{len(done) - 1}"].weights("model"))
        return toy.plain(net=net)[0].prepare(done)

    return plan


@pytest.mark.parametrize("stop_after", [3, 7, 12])
def test_an_open_number_of_rounds_reads_what_is_done_and_resumes(toy, tmp_path, stop_after):
    straight = toy.run(rounds(toy), tmp_path / "a", epochs=1)
    assert list(straight) == ["round0", "round1", "round2"]
    with pytest.raises(toy.stopped):
        toy.run(rounds(toy), tmp_path / "b", epochs=1, stop_after=stop_after)
    resumed = toy.run(rounds(toy), tmp_path / "b", epochs=1)
    assert list(resumed) == list(straight)
    for name in straight:
        assert toy.equal(straight[name].weights("model"), resumed[name].weights("model"))


def test_stages_of_one_name_are_refused_as_they_come(toy, tmp_path):
    (stage,) = toy.plain()
    with pytest.raises(ValueError, match="stage names must differ"):
        toy.run([stage, stage], tmp_path)
    with pytest.raises(ValueError, match="stage names must differ, got train, train"):
        toy.run(lambda done: iter([stage, stage]), tmp_path, epochs=1)


def test_the_last_batch_of_an_epoch_may_be_smaller(toy, tmp_path):
    (stage,) = toy.plain()
    task = dataclasses.replace(stage.prepare({}), streams={"train": toy.make_stream(50, train=False)})
    sizes, objective = [], task.objective
    task.objective = lambda b, s: sizes.append(len(b["train"])) or objective(b, s)
    toy.run([Stage("train", lambda done: task)], tmp_path, epochs=2)
    assert sizes == [20, 20, 10] * 2
