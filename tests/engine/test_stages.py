"""A plan runs one stage after another, each once."""

import dataclasses
import gc
import weakref

from modelheir.engine.runtime import Runtime
from modelheir.engine.stages import run_plan
from modelheir.runs.folder import RunFolder
from modelheir.types import Stage


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
