"""Stages of MCT and MPL: from trained heads, an optimiser each, the rate and clipping; what is published."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.methods.cotrain.meta import meta_co_training, meta_pseudo_labels


def test_views_go_on_from_the_heads_that_were_trained_on_the_labels(make_build, finished, plain):
    build = make_build(algorithms=("mct",), meta_rate=0.5)
    (name,) = meta_co_training(build)
    heads = build.heads(7)
    task = build.stages[name].prepare({"supervised": finished(build, heads)})
    for view, head in heads.items():
        assert all(torch.equal(task.modules[view].state_dict()[key], one) for key, one in head.state_dict().items())
        assert task.modules["model"].heads[view] is task.modules[view]
    assert task.optimizers == {"view_1": ("view_1",), "view_2": ("view_2",)}
    assert list(task.streams) == ["unlabelled", "train"]  # the pool is the epoch
    assert task.fit.lr == plain.fit.lr / 2
    assert task.fit.clip_norm == 1.0
    assert set(task.streams["unlabelled"].labels.tolist()) == {-1}


def test_the_student_is_published_and_the_teacher_is_not(make_build, finished):
    build = make_build(algorithms=("mpl",))
    node = meta_pseudo_labels(build)
    teacher = build.wide_head()
    task = build.stages[node[0]].prepare({"concatenated": finished(build, {"all": teacher})})
    assert task.optimizers == {"teacher": ("teacher",), "student": ("student",)}
    assert task.modules["model"].heads["all"] is task.modules["student"]
    assert task.modules["teacher"] is not task.modules["student"]
    tuned = build.stages[node[1]].prepare({"mpl": finished(build, {"all": teacher})})
    assert list(tuned.streams) == ["train"]
    assert tuned.streams["train"].ids.tolist() == build.labelled.ids.tolist()


@pytest.mark.parametrize("name", ["mct", "mpl"])
def test_a_stage_goes_on_where_it_was_stopped(world, few, plain, rows, name):
    settings = {"algorithms": (name,), f"{name}__targets__confidence": 0.34}
    log = rows()
    whole = few(world.run, "whole", given=plain, log=log, **settings)
    steps = [row["steps"] for row in log]
    for stop in (steps[0] * 2 + steps[0] // 2, sum(steps) - 2):
        with pytest.raises(KeyboardInterrupt):
            few(world.run, f"parts{stop}", given=plain, stop_after=stop, **settings)
        parts = few(world.run, f"parts{stop}", given=plain, **settings)
        for stage, result in whole.items():
            ours, theirs = result.weights("model"), parts[stage].weights("model")
            assert all(torch.equal(ours[key], theirs[key]) for key in ours), stage


@pytest.mark.parametrize("name", ["mct", "mpl"])
def test_a_collapse_ends_with_a_sentence(world, few, name):
    settings = {f"{name}__collapse_below": 1.0, f"{name}__targets__confidence": 0.0}
    given = world.given(fit=world.fit.__class__(epochs=4, batch_size=8, lr=0.01))
    with pytest.raises(InputError, match=rf"collapsed by epoch \d.*method\.{name}\.collapse_below = 0 to go on"):
        few(world.run, "run", given=given, algorithms=(name,), **settings)


def test_the_step_is_told_what_views_say(world, few, plain, rows):
    log = rows()
    few(world.run, "run", given=plain, log=log, algorithms=("mct",))
    row = [one for one in log if one["stage"] == "mct"][-1]
    assert {"entropy/view_1", "entropy/view_2", "feedback/view_1", "feedback/view_2"} <= set(row)
