"""Compiled and captured passes change the time of a training and the last digits of its numbers, nothing else."""

import contextlib
import copy
import dataclasses
import os

import pytest
import torch
from torch import nn
from torch._inductor.exc import InvalidCxxCompiler

from modelheir.checks import InputError
from modelheir.cli import main
from modelheir.engine import fit
from modelheir.engine.speed import compiling
from modelheir.models.adapters import add_low_rank, add_plane
from modelheir.plans import Stage
from modelheir.runs.folder import RunFolder


@pytest.fixture(scope="module")
def compiler():
    """A machine that can compile; in CI it must."""
    try:
        compiling.check_compiler(torch.device("cpu"))
    except InputError as error:
        if os.environ.get("CI") is None:
            pytest.skip(str(error))
        pytest.fail(f"CI must have a C++ compiler: {error}")


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow
def test_numbers_and_names_are_those_without_and_a_kill_changes_nothing(toy, tmp_path):
    settings = {"epochs": 2, "save_every_steps": 2, "ema_decay": 0.5, "keep": "best"}
    logs = [toy.rows(), toy.rows()]
    plain = toy.run(toy.plain(net=toy.normed()), tmp_path / "plain", log=logs[0], **settings)
    net = toy.normed()
    whole = toy.run(toy.plain(net=net), tmp_path / "whole", log=logs[1], compile=True, **settings)
    assert plain["train"].weights("model").keys() == whole["train"].weights("model").keys()
    for key, value in plain["train"].weights("model").items():
        torch.testing.assert_close(whole["train"].weights("model")[key], value, atol=1e-4, rtol=1e-4)
    for left, right in zip(*map(toy.same_rows, logs), strict=True):
        assert left == pytest.approx(right, abs=1e-4)
    assert net._compiled_call_impl is None
    with pytest.raises(toy.stopped):
        toy.run(toy.plain(net=toy.normed()), tmp_path / "cut", compile=True, stop_after=7, **settings)
    again = toy.run(toy.plain(net=toy.normed()), tmp_path / "cut", compile=True, **settings)
    assert toy.equal(toy.weights(whole), toy.weights(again))


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow
@pytest.mark.parametrize("adapters", ["low_rank", "plane"])
def test_adapters_compile_and_leave_plain_weights(toy, tmp_path, adapters):
    def plan():
        net = toy.normed()
        names = [name for name, _ in net.named_parameters()]
        net.requires_grad_(False)
        if adapters == "plane":
            add_plane(net, coordinates=4, seed=0, names=names)
        else:
            add_low_rank(net, rank=2, seed=0)
        return toy.plain(net=net)

    settings = {"epochs": 2, "save_every_steps": 2}
    eager = toy.run(plan(), tmp_path / "eager", **settings)
    with pytest.raises(toy.stopped):
        toy.run(plan(), tmp_path / "cut", compile=True, stop_after=7, **settings)
    found = toy.run(plan(), tmp_path / "cut", compile=True, **settings)
    assert toy.weights(found).keys() == toy.normed().state_dict().keys()
    for key, value in toy.weights(eager).items():
        torch.testing.assert_close(toy.weights(found)[key], value, atol=1e-4, rtol=1e-4)
    assert not torch.equal(toy.weights(found)["head.weight"], toy.normed().head.weight)


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow
def test_training_is_compiled_and_evaluation_is_not(toy, tmp_path):
    plain = []

    class Net(toy.net):
        def forward(self, x):
            if not torch.compiler.is_compiling():
                plain.append(self.training)
            return super().forward(x)

    net = Net(seed=1)
    toy.run(toy.plain(net=net), tmp_path, compile=True, epochs=2)
    assert plain
    assert not any(plain)
    with compiling.compiled([net]):
        assert copy.deepcopy(net)._compiled_call_impl is None
    net.train()(torch.ones(2, 10))
    assert plain[-1]


def test_a_machine_without_a_compiler_says_so_before_the_first_batch(toy, tmp_path, monkeypatch):
    def lacking(*arguments, **settings):
        def call(*values):
            raise InvalidCxxCompiler

        return call

    monkeypatch.setattr(torch, "compile", lacking)
    with pytest.raises(
        InputError,
        match=r"fit.compile = True: torch cannot compile for cpu here \(No working C\+\+ .*"
        r"needs a C\+\+ compiler \(g\+\+, or what CXX names\): install it, or leave",
    ):
        toy.run(toy.plain(), tmp_path, compile=True)
    assert not RunFolder(tmp_path).stage(0, "train").resume.is_file()


def test_graphs_are_those_of_torchs_own_mode():
    """What torch calls ``reduce-overhead`` is asked for, and draws stay those of torch's generators."""
    asked = []

    class Net(nn.Linear):
        def compile(self, **settings):
            asked.append(settings)

    with compiling.compiled([Net(2, 2)], graphs=True), compiling.compiled([Net(2, 2)]):
        pass
    mode = torch._inductor.list_mode_options("reduce-overhead")
    assert mode
    assert asked == [{"options": {**mode, "fallback_random": True}}, {"options": {"fallback_random": True}}]


def test_every_optimiser_step_frees_what_the_one_before_left(toy, tmp_path, monkeypatch):
    """Once before a step, however many micro-batches it has: their gradients are of one step."""
    marks = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: marks.append(len(seen)))
    monkeypatch.setattr(fit, "check_compiler", lambda *_, **__: None)
    monkeypatch.setattr(fit, "compiled", lambda *_, **__: contextlib.nullcontext())
    seen, (stage,) = [], toy.plain()
    task = stage.prepare({})
    objective = task.objective

    def counting(batches, step):
        seen.append(step.number)
        return objective(batches, step)

    plan = [Stage("train", lambda _: dataclasses.replace(task, objective=counting))]
    toy.run(plan, tmp_path / "a", compile=True, cuda_graphs=True, accumulate=2)
    assert seen == [number for number in range(15) for _ in range(2)]
    assert marks == list(range(0, 30, 2))
    toy.run(toy.plain(), tmp_path / "b", compile=True)
    assert len(marks) == 15


def test_a_cpu_has_no_graphs_and_says_so_before_the_first_batch(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["--data", "synthetic:n=60,classes=3,size=8", "--device", "cpu", "--quiet", "--out", str(out)]
    assert main(["train", "finetune", *words, "--fit.compile", "--fit.cuda_graphs"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("fit.cuda_graphs = True: cpu has no CUDA graphs: leave it out, or train on a CUDA device.")
    assert not out.exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("settings", [{}, {"accumulate": 2, "clip_norm": 1.0}, {"precision": "bf16"}])
def test_captured_steps_are_replayed_and_their_numbers_stay(toy, tmp_path, settings):
    """Dropout and batch norm included; a replay shows as the launch of a graph."""
    usual = {"epochs": 2, "save_every_steps": 2, "ema_decay": 0.5, "device": "cuda", **settings}
    captured = {**usual, "compile": True, "cuda_graphs": True}

    def plan():
        return toy.plain(net=toy.normed(), evaluate=False, device="cuda")

    eager = toy.run(plan(), tmp_path / "eager", **usual)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        whole = toy.run(plan(), tmp_path / "whole", **captured)
    launches = sum(one.count for one in profile.key_averages() if "cudaGraphLaunch" in one.key)
    assert launches >= 10  # 10 steps with a pass each way, less those that warm up
    close = {"atol": 2e-2, "rtol": 2e-2} if "precision" in settings else {"atol": 1e-4, "rtol": 1e-4}
    for key, value in toy.weights(eager).items():
        torch.testing.assert_close(toy.weights(whole)[key], value, **close)
    with pytest.raises(toy.stopped):
        toy.run(plan(), tmp_path / "cut", stop_after=7, **captured)
    again = toy.run(plan(), tmp_path / "cut", **captured)
    for key, value in toy.weights(whole).items():
        torch.testing.assert_close(toy.weights(again)[key], value, **close)
