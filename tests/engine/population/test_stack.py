"""Stacked training is separate training: weights, statistics, optimisers, whatever stops, whatever is left out."""

import copy
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.config.fit import FitConfig
from modelheir.engine.population.stack import RatedDropout, Stack, differences, join_batches, rate_dropout
from modelheir.engine.state import begin
from modelheir.inference.runtime import Runtime
from modelheir.models.bodies.masks import draw_masks_fast
from modelheir.plans import Task
from modelheir.runs.folder import RunFolder
from modelheir.types import Batch, LossTerms

RATES, DECAYS = (1e-2, 1e-3, 3e-3), (0.0, 2e-4, 2e-2)


class Conv(nn.Module):
    """Convolutions with batch norms; the last sees maps of 2x2, of which most taps are dead.

    None has a bias: before a batch norm its gradient is rounding alone, which Adam makes large.
    """

    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6),
            )  # fmt: skip
            self.head = nn.Linear(6, 3)
        self.double()

    def forward(self, x):
        return self.head(self.layers(x).mean(dim=(2, 3)))


def batch_of(number, member):
    generator = torch.Generator().manual_seed(100 * number + member)
    labels = torch.randint(0, 3, (32,), generator=generator)
    images = torch.randn(32, 3, 8, 8, generator=generator, dtype=torch.float64) + labels[:, None, None, None]
    return Batch(images, labels, torch.arange(32), labelled=True)


def training(model, tmp_path, rate, decay):
    def objective(batches, step):
        batch = batches["train"]
        logits = model(batch.inputs)
        return LossTerms({"task": cross_entropy(logits, batch.labels)}, {"largest": logits.abs().amax()})

    class One:
        split, ids, labels, classes, columns = "", torch.arange(7).numpy(), torch.zeros(7).numpy(), ("a", "b", "c"), {}

        def __len__(self):
            return 1

        def epoch(self, epoch, start=0):
            yield batch_of(epoch, 0)

    fit = FitConfig(epochs=9, batch_size=32, optimizer="adam", lr=rate, schedule="constant", weight_decay=decay)
    task = Task({"model": model}, {"train": One()}, objective)
    return begin(task, RunFolder(tmp_path).stage(0, "train"), Runtime("cpu"), fit, 0)


def separate(model, rate, decay):
    """Return the plain loop's step over one network: torch's own optimiser, no layout, no fusing."""
    optimizer = torch.optim.Adam(
        [p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=decay, foreach=False
    )

    def step(batch):
        loss = cross_entropy(model(batch.inputs), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def close(model, other):
    pairs = zip(model.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.allclose(x.double(), y.double(), rtol=0, atol=1e-12) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("frozen", [False, True])
def test_stacked_equals_separate_over_fifty_steps_of_adam(shared, frozen, tmp_path):
    models = [Conv(seed) for seed in range(3)]
    if frozen:
        for model in models:
            model.layers[0].requires_grad_(False)
    others = copy.deepcopy(models)
    own = list(zip(models, RATES, DECAYS, strict=True))
    states = [training(model, tmp_path, rate, decay) for model, rate, decay in own]
    plain = [separate(model, *row) for model, row in zip(others, zip(RATES, DECAYS, strict=True), strict=True)]
    stack, begun = Stack(states), copy.deepcopy(others)
    for number in range(50):
        batches = [batch_of(number, 0 if shared else member) for member in range(3)]
        if number == 20:  # the second has ended: compaction
            kept, ended = copy.deepcopy(models[1]), copy.deepcopy(others[1])
            stack.place([states[0], states[2]])
        held = [0, 1, 2] if number < 20 else [0, 2]
        losses, seen = stack.step({"train": batches[:1] if shared else [batches[i] for i in held]}, states[0].step)
        for i in held:
            states[i].step.apply()
        expected = torch.stack([plain[i](batches[i]) for i in held])
        assert torch.allclose(losses, expected, rtol=0, atol=1e-12)
        assert torch.equal(seen["loss/task"], losses)
        assert seen["largest"].shape == (len(held),)
    assert all(close(models[i], others[i]) for i in (0, 2))
    assert close(models[1], kept)
    assert close(models[1], ended)
    assert not any(close(models[i], begun[i]) for i in range(3))  # something was learned at all
    assert int(models[0].layers[1].num_batches_tracked) == 50
    assert all(torch.equal(states[0].live[f"model/{k}"], v) for k, v in models[0].state_dict().items())
    assert {int(one["step"]) for one in states[0].step.optimizers["main"].state.values()} == {50}


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(3)))
def test_members_share_nothing(order, tmp_path_factory):
    """Their order in the stack permutes the losses, and a member's gradients are the same beside any others."""
    path = tmp_path_factory.mktemp("stack")
    alone = []
    for seed in range(3):
        state = training(Conv(seed), path, 0.1, 0.0)
        loss, _ = Stack([state]).step({"train": [batch_of(0, 0)]}, state.step)
        alone.append((loss, [p.grad.clone() for p in state.task.modules["model"].parameters()]))
    states = [training(Conv(seed), path, 0.1, 0.0) for seed in order]
    losses, _ = Stack(states).step({"train": [batch_of(0, 0)]}, states[0].step)
    assert torch.allclose(losses, torch.cat([alone[seed][0] for seed in order]), rtol=0, atol=1e-14)
    for state, seed in zip(states, order, strict=True):
        for p, gradient in zip(state.task.modules["model"].parameters(), alone[seed][1], strict=True):
            assert torch.allclose(p.grad, gradient, rtol=0, atol=1e-13)


def test_a_weight_that_is_not_finite_is_found_by_member(tmp_path):
    models = [Conv(seed) for seed in range(3)]
    stack = Stack([training(model, tmp_path, 0.1, 0.0) for model in models])
    with torch.no_grad():
        models[1].head.bias[0] = torch.inf  # through the member's own parameter: it is a slice of the stack
    assert stack.finite().tolist() == [True, False, True]


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_dropout_with_a_rate_in_a_buffer(rate):
    torch.manual_seed(0)
    module = draw_masks_fast(nn.Sequential(nn.Linear(1, 1), nn.Dropout(rate)))
    names = list(module.state_dict())
    rate_dropout(module)
    assert list(module.state_dict()) == names
    x = torch.ones(40_000, requires_grad=True)
    y = module[1](x)
    y.sum().backward()
    assert torch.allclose(y[y != 0], torch.tensor(1 / max(1 - rate, 0.5)))
    assert (y == 0).float().mean().item() == pytest.approx(rate, abs=4 * (rate * (1 - rate) / 40_000) ** 0.5)
    assert torch.equal(x.grad, y.detach())  # d(m x)/dx = m, and x is 1
    assert torch.equal(module.eval()[1](x), x)


def test_members_have_masks_of_their_own_at_rates_of_their_own():
    rates = torch.tensor([0.0, 0.5, 0.5])
    module = RatedDropout(0.3)
    module.register_buffer("rate", torch.tensor(0.3), persistent=False)
    call = lambda rate, x: torch.func.functional_call(module, {"rate": rate}, (x,))  # noqa: E731
    masks = torch.vmap(call, in_dims=(0, None), randomness="different")(rates, torch.ones(4000)) > 0
    assert masks.float().mean(1).tolist() == pytest.approx([1.0, 0.5, 0.5], abs=0.04)
    assert not torch.equal(masks[1], masks[2])


class Rate(nn.Module):
    """A network that keeps its dropout where no buffer can stand for it."""

    def __init__(self, rate, parts=1, width=2):
        super().__init__()
        self.rate = rate
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(parts))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (Rate(0.5), Rate(0.5), ""),
        (nn.Dropout(0.1), nn.Dropout(0.9), ""),
        (draw_masks_fast(nn.Dropout(0.1)), draw_masks_fast(nn.Dropout(0.9)), ""),
        (Rate(0.5), Rate(0.1), "the network has rate = 0.5 and 0.1"),
        (nn.Sequential(nn.Dropout2d(0.1)), nn.Sequential(nn.Dropout2d(0.9)), "0 has p = 0.1 and 0.9"),
        (Rate(0.5), Rate(0.5, parts=2), "the networks have different parts"),
        (Rate(0.5), Rate(0.5, width=3), "the networks have weights of different shapes"),
        (Rate(0.5), Rate(0.5).requires_grad_(False), "different parts of the networks are trained"),
    ],
)
def test_what_differs_between_networks_is_named(one, other, said):
    assert differences([one, copy.deepcopy(one), other]) == said


def test_batches_lie_along_a_new_dimension_or_stand_for_all():
    one = Batch(
        (torch.zeros(2, 5), torch.ones(2, 5)), torch.tensor([0, 1]), torch.tensor([3, 4]), extra={"w": torch.ones(2)}
    )
    values, dim = join_batches([one])
    assert dim is None
    assert values["inputs"] is one.inputs
    values, dim = join_batches([one, dataclasses.replace(one, labels=one.labels + 1), one])
    assert dim == 0
    assert [tuple(view.shape) for view in values["inputs"]] == [(3, 2, 5)] * 2
    assert values["labels"].tolist() == [[0, 1], [1, 2], [0, 1]]
    assert tuple(values["extra"]["w"].shape) == (3, 2)
    assert "targets" not in values
