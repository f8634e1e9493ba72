"""One step: its seeds, and a scale of half precision over two optimisers, without a GPU."""

import pytest
import torch
from torch import nn

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer
from modelheir.engine.step import EngineStep, seed_device, step_seed
from modelheir.inference.runtime import Runtime


def test_step_seeds_differ_by_every_argument():
    seeds = {step_seed(*a) for a in [(0, "a", 0, 0), (1, "a", 0, 0), (0, "b", 0, 0), (0, "a", 1, 0), (0, "a", 0, 1)]}
    assert len(seeds) == 5


class TestStep:
    """Two optimisers and a scale, without a GPU."""

    def make(self, **fit):
        self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        config = FitConfig(optimizer="sgd", schedule="cosine", lr=0.1, momentum=0.0, weight_decay=0.0, **fit)
        optimizers = {name: make_optimizer([getattr(self, name)], config) for name in ("a", "b")}
        step = EngineStep(Runtime("cpu"), config, optimizers, stage="x", seed=0, steps=10)
        step.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_factor=2.0, growth_interval=1)
        for net in (self.a, self.b):
            nn.init.ones_(net.weight)
        return step

    @pytest.mark.parametrize("clip", [0.0, 100.0])
    def test_the_scale_changes_only_when_no_gradient_waits(self, clip):
        step = self.make(clip_norm=clip)
        step.begin(0, 0)
        step.backward(3 * self.a.weight.sum() + 5 * self.b.weight.sum())
        step.apply("a")
        assert step.scaler.get_scale() == 4.0
        step.apply("b")
        assert step.scaler.get_scale() == 8.0
        assert [net.weight.item() for net in (self.a, self.b)] == pytest.approx([0.7, 0.5])

    @pytest.mark.parametrize(("of", "moves"), [("all", [0.06, 0.08]), ("tensor", [0.1, 0.1])])
    def test_the_norm_is_that_of_all_gradients_or_each_tensor_s_own(self, of, moves):
        """Gradients 3 and 4 have the norm 5 together; at a rate of 0.1 each moves by a tenth of what is left."""
        step = self.make(clip_norm=1.0, clip_norm_of=of)  # the scale of half precision is taken off first
        step.begin(0, 0)
        step.backward(3 * self.a.weight.sum() + 4 * self.b.weight.sum())
        step.apply()
        assert [1 - net.weight.item() for net in (self.a, self.b)] == pytest.approx(moves, rel=1e-4)
        step.begin(0, 1)
        step.backward(0.5 * self.a.weight.sum() + 4 * self.b.weight.sum())  # below the bound: as it is
        before = self.a.weight.item()
        step.apply("a")
        assert before - self.a.weight.item() == pytest.approx(0.05, rel=1e-4)

    def test_a_tensor_that_overflows_leaves_the_step_out_however_it_is_clipped(self):
        step = self.make(clip_norm=1.0, clip_norm_of="tensor")
        step.begin(0, 0)
        step.backward(self.a.weight.sum() * 1e38)
        step.apply("a")
        assert self.a.weight.item() == 1.0
        step.begin(0, 1)
        assert step.scaler.get_scale() == 2.0

    def test_a_gradient_left_over_does_not_block_the_next_step(self):
        step = self.make()
        for number in range(2):
            step.begin(0, number)
            step.backward(self.a.weight.sum() + self.b.weight.sum())
            step.apply("a")
        assert self.a.weight.item() == pytest.approx(0.8)

    def test_an_optimizer_without_gradients_is_left_alone(self):
        step = self.make(clip_norm=1.0)
        step.begin(0, 0)
        step.backward(self.a.weight.sum())
        step.apply()
        assert self.b.weight.item() == 1.0

    def test_a_step_whose_gradients_overflow_is_left_out(self):
        step = self.make()
        step.begin(0, 0)
        step.backward(self.a.weight.sum() * 1e38)
        step.apply()
        assert self.a.weight.item() == 1.0
        assert step.scaler.get_scale() == 2.0


def test_the_generators_are_seeded_as_torch_does_it():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.rand(5)
    seed_device(torch.device("cpu"), 11)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_generator_of_the_gpu_is_seeded_as_torch_does_it():
    torch.manual_seed(11)
    expected = torch.rand(3, device="cuda")
    seed_device(torch.device("cuda"), 11)
    assert torch.equal(torch.rand(3, device="cuda"), expected)


def test_a_gradient_in_another_memory_order_moves_the_right_weights():
    """A fused step walks through memory: without care it would pair each weight with another one's gradient."""
    net = nn.Conv2d(2, 3, 3, bias=False).to(memory_format=torch.channels_last)
    config = FitConfig(optimizer="sgd", schedule="cosine", lr=1.0, momentum=0.0, weight_decay=0.0)
    step = EngineStep(Runtime("cpu"), config, {"main": make_optimizer([net], config)}, stage="x", seed=0, steps=1)
    before, gradient = net.weight.detach().clone(), torch.arange(54.0).view(3, 2, 3, 3)
    step.begin(0, 0)
    net.weight.grad = gradient.clone()
    step.apply()
    torch.testing.assert_close(net.weight, before - gradient)


def two_nets(**fit):
    torch.manual_seed(0)
    nets = {"a": nn.Linear(3, 2), "b": nn.Linear(3, 2)}
    config = FitConfig(optimizer="sgd", schedule="cosine", lr=0.1, momentum=0.0, weight_decay=0.0, **fit)
    optimizers = {name: make_optimizer([net], config) for name, net in nets.items()}
    return nets, EngineStep(Runtime("cpu"), config, optimizers, stage="x", seed=0, steps=3)


@pytest.mark.parametrize("scale", [None, 1024.0])
def test_gradients_are_those_of_autograd_and_leave_no_trace(scale):
    nets, step = two_nets()
    if scale:
        step.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    step.begin(0, 0)
    x = torch.randn(5, 3)
    loss = (nets["a"](x) * nets["b"](x)).sum()
    expected = torch.autograd.grad(loss, list(nets["a"].parameters()), retain_graph=True)
    found = step.gradients(loss, nets["a"], retain=True)
    assert list(found) == list(nets["a"].parameters())
    for one, other in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(one, other)
    assert all(parameter.grad is None for net in nets.values() for parameter in net.parameters())
    assert len(step.gradients(loss)) == 4
    assert step.gradients(nets["a"](x).sum(), nets["a"], nets["b"]).keys() == set(nets["a"].parameters())


@pytest.mark.parametrize("scale", [None, 1024.0])
def test_gradients_given_to_apply_are_what_moves_the_weights(scale):
    nets, step = two_nets(clip_norm=0.0)
    if scale:
        step.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    step.begin(0, 0)
    weight = nets["a"].weight
    before = {name: [p.detach().clone() for p in net.parameters()] for name, net in nets.items()}
    step.apply(gradients={weight: torch.full_like(weight, 2.0)})
    torch.testing.assert_close(weight, before["a"][0] - 0.2)
    assert torch.equal(nets["a"].bias, before["a"][1])
    assert all(torch.equal(p, was) for p, was in zip(nets["b"].parameters(), before["b"], strict=True))
    assert weight.grad is None
    with pytest.raises(ValueError, match="1 of the gradients given belong to no parameter"):
        step.apply("b", gradients={weight: torch.zeros_like(weight)})


def test_the_generator_of_the_device_is_seeded_by_step():
    _, step = two_nets()
    assert step.device_generator.device == step.device
    draws = []
    for number in (0, 1, 0):
        step.begin(0, number)
        draws.append(torch.rand(4, generator=step.device_generator))
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])
