"""Compiled forward passes change the time of a training and the last digits of its numbers, nothing else."""

import copy
import os

import pytest
import torch
from torch._inductor.exc import InvalidCxxCompiler

from modelheir.checks import InputError
from modelheir.engine.speed import compiling
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
