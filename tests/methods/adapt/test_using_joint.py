"""Fine-tuning inside a frozen joint network equals the fine-tuning it is named after (table 14 of Seq-to-Final)."""

import pytest
import torch

from modelheir.checks import InputError

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")
NET = {"model": "blocks_convnet", "kwargs": {"blocks": 1}}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("erm_final", {}),
        ("erm_fine_tune", {}),
        ("l2_fine_tune", {}),
        ("l2_fine_tune", {"start_anew": True}),
        ("sequential_fine_tune", {}),
        ("sequential_l2", {}),
        ("sequential_l2", {"start_anew": True}),
    ],
)
def test_it_comes_out_as_the_strategy_itself(world, name, settings):
    """Same first weights and batches: the weights that are published agree, and so does every tried setting."""
    given = world.given(**NET)
    done = world.run(
        "adapt", "run", given=given, history=PAST, strategies=(name, f"{name}_using_joint"), seeds=1,
        rates=(1.0, 0.25), pulls=(0.01,), **settings,
    )  # fmt: skip
    rows = done["choice"].describe["rows"]
    plain, joint = (done[rows[f"strategy/{one}"]["stages"][0]] for one in (name, f"{name}_using_joint"))
    ours = joint.weights("model")
    for key, value in plain.weights("model").items():
        torch.testing.assert_close(ours[key], value, atol=1e-5, rtol=1e-4)
    for key in ("val/accuracy", "val/loss", "test/accuracy"):
        assert joint.metrics[key] == pytest.approx(plain.metrics[key], abs=1e-5)
    begun = done["history"] if "history" in done else done["step_1"]
    moved = [not torch.allclose(value, ours[key]) for key, value in begun.weights("model").items()]
    assert any(moved)


def test_the_past_stays_and_the_newest_copies_move(world):
    given = world.given(**NET)
    done = world.run(
        "adapt", "run", given=given, history=PAST, strategies=("sequential_fine_tune_using_joint",), seeds=1,
        rates=(1.0,),
    )  # fmt: skip
    second, third = (done[f"sequential_fine_tune_using_joint_{number}"].weights("model_over_time") for number in (2, 3))
    assert {key.split(".")[2] for key in third} == {"0", "1", "2"}
    for key, value in second.items():
        assert torch.equal(third[key], value), key
    newest = [key for key in third if key.split(".")[2] == "2"]
    assert all(not torch.equal(third[key], third[key.replace(".2.", ".1.", 1)]) for key in newest if "conv" in key)
    assert done["sequential_fine_tune_using_joint"].describe["from"] == "sequential_fine_tune_using_joint_3"
    about = done["sequential_fine_tune_using_joint_3"].describe
    assert (about["steps"], about["from"]) == ([2], "sequential_fine_tune_using_joint_2")
    assert about["over_time"]["routes"] == [[0] * 3, [1] * 3, [2] * 3]


def test_a_network_without_such_layers_is_refused_before_training(world):
    with pytest.raises(InputError, match="convnet cannot change layer by layer over time"):
        world.plan(
            "adapt", world.given(model="convnet"), history=PAST, strategies=("erm_fine_tune_using_joint",), seeds=1
        )


def test_each_strength_and_rate_is_tried(world):
    given = world.given(**NET)
    plan = world.plan(
        "adapt", given, history=PAST, strategies=("l2_fine_tune_using_joint",), seeds=1, rates=(1.0, 0.5),
        pulls=(0.1, 1.0),
    )  # fmt: skip
    done = world.run("adapt", "run", given=given, history=PAST, strategies=("erm_fine_tune",), seeds=1, rates=(1.0,))
    stage = next(one for one in plan if one.name == "l2_fine_tune_using_joint_3")
    grid = stage.prepare(done)
    assert grid.settings == [{"rate": rate, "pull": pull} for rate in (1.0, 0.5) for pull in (0.1, 1.0)]
    task = grid.make_task({"rate": 0.5, "pull": 1.0})
    assert task.fit.lr == pytest.approx(given.fit.lr / 2)
