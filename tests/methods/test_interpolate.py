"""Weight interpolation: the ends are the two models, the selection split chooses, the reporting split does not."""

import dataclasses

import pytest
import torch

from modelheir.checks import InputError
from modelheir.methods import METHODS


def test_blend_lies_between_old_and_new(world):
    done = world.run("interpolate", "x", alphas=(0.0, 0.5), recalibrate=False)
    assert list(done) == ["new_0", "blend"]
    alpha = done["blend"].describe["alpha"]
    old = world.parts().old_models()[0].state_dict()
    new, blend = done["new_0"].weights("model"), done["blend"].weights("model")
    for key, value in blend.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, alpha * old[key] + (1 - alpha) * new[key], atol=1e-6, rtol=1e-5)


def test_choice_never_reads_the_reporting_split(world):
    done = world.run("interpolate", "x", alphas=(0.0, 0.3, 0.7))
    chosen = done["blend"].describe["alpha"]
    parts = world.parts()
    test = parts.splits["test"]
    spoiled = dataclasses.replace(test, labels=(test.labels + 1) % 3)
    parts = dataclasses.replace(parts, splits={**parts.splits, "test": spoiled})
    plan = METHODS["interpolate"].plan(world.config("interpolate", alphas=(0.0, 0.3, 0.7)), parts)
    assert plan[-1].prepare(done).describe["alpha"] == chosen


@pytest.mark.parametrize("settings", [{"kind": "fisher"}, {"new_models": 2}])
def test_kinds(world, settings):
    done = world.run("interpolate", "x", alphas=(0.0, 0.5, 1.0), **settings)
    assert len(done["blend"].describe["scores"]) == 3


def test_old_batch_norm_nets_are_recalibrated(world):
    old = world.save_model("conv", model="convnet")
    done = world.run(
        "interpolate", "x", parts=world.parts(old=[old], model="convnet"), alphas=(0.0, 0.5), tolerance=1.0
    )
    assert done["blend"].metrics["test/accuracy"] >= 0


def test_takes_exactly_one_old_model(world):
    with pytest.raises(InputError, match="exactly one --old, got 0"):
        world.run("interpolate", "x", parts=world.parts(old=[]))


@pytest.mark.parametrize(("name", "settings"), [("interpolate", {}), ("upgrade", {"start_from_old": True})])
def test_another_network_than_the_old_one_is_refused(world, name, settings):
    with pytest.raises(InputError, match=r"--model convnet is asked for.*which is a mlp"):
        world.run(name, "x", parts=world.parts(model="convnet"), **settings)
