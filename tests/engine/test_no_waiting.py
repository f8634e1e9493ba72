"""On a GPU the host never waits within a step: rates, losses, gradients and averages stay on the device."""

import dataclasses

import pytest
import torch

from modelheir.engine.fit import Fit
from modelheir.inference.runtime import Runtime
from modelheir.runs.folder import RunFolder

CUDA = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
)


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    return request.param


@pytest.fixture
def alone(device):
    """Make an operation that waits for the device an error for a while; the CPU has nothing to wait for."""

    class Alone:
        def __enter__(self):
            if device == "cuda":
                torch.cuda.set_sync_debug_mode("error")

        def __exit__(self, *error):
            if device == "cuda":
                torch.cuda.set_sync_debug_mode("default")

    return Alone()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "adam", "rmsprop"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_is_done_without_a_look_at_the_device(toy, tmp_path, device, alone, optimizer, precision):
    settings = {"ema_decay": 0.5, "clip_norm": 1.0, "accumulate": 2, "precision": precision}
    fit = dataclasses.replace(toy.fit, optimizer=optimizer, lr=0.01, **settings)
    plan = toy.plain(net=toy.normed(), evaluate=False, device=device)
    place = RunFolder(tmp_path).stage(0, "train")
    loop = Fit(plan[0].prepare({}), place, Runtime(device), fit, 0, toy.rows(), toy.quiet())
    before = {key: value.clone() for key, value in loop.now.live.items()}
    batches = loop.now.stream.epoch(0)
    loop._one(0, {"train": next(batches)})  # makes the optimiser's state and loads the device's libraries
    for number in (1, 2):
        loop.now.number = number
        with alone:
            loop._one(0, {"train": next(batches)})
    assert (loop.now.tally.losses != 0).tolist() == [True, True, True, False, False]
    assert not any(torch.equal(before[key], value) for key, value in loop.now.live.items())
    groups = [group for one in loop.step.optimizers.values() for group in one.param_groups]
    assert [isinstance(group["lr"], torch.Tensor) for group in groups] == [device == "cuda"] * len(groups)
