"""Objectives over steps, against their formulas by hand; and the weights of group DRO as a state."""

import pytest
import torch
from torch.nn import functional as F

from modelheir.methods.adapt.domains import KINDS, DomainObjective
from modelheir.methods.adapt.tuning import DomainConfig
from modelheir.objective.supervised import SupervisedConfig
from modelheir.types import Batch, Outputs

NAMES = ("step_1", "step_2", "step_3")


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, inputs):
        return Outputs(self.layer(inputs), inputs * 2)


class Step:
    """The least that an objective reads of the engine."""

    def __init__(self, number=0, steps=10):
        self.number, self.steps, self.seen = number, steps, {}
        self.generator = self.device_generator = torch.Generator().manual_seed(3)

    @staticmethod
    def gather(values):
        return values

    @staticmethod
    def mean(value):
        return value

    def observe(self, name, value):
        self.seen[name] = float(value)


@pytest.fixture
def batches():
    drawn = torch.Generator().manual_seed(1)
    made = {}
    for number, name in enumerate(NAMES):
        inputs = torch.randn(6, 4, generator=drawn) * (number + 1)
        labels = torch.randint(3, (6,), generator=drawn)
        made[name] = Batch(inputs, labels, torch.arange(6))
    return made


def objective(kind, **settings):
    model = Linear()
    return model, DomainObjective(kind, model, NAMES, DomainConfig(**settings), SupervisedConfig())


def risks(model, batches):
    return [F.cross_entropy(model(one.inputs).logits, one.labels) for one in batches.values()]


def test_group_weights_move_towards_the_worst_step(batches):
    """Algorithm 1 of group DRO, by hand."""
    model, made = objective("group_dro", dro_rate=0.5)
    found = made(batches, Step()).terms
    own = torch.stack(risks(model, batches))
    q = torch.full((3,), 1 / 3) * torch.exp(0.5 * own.detach())
    q = q / q.sum()
    torch.testing.assert_close(made.weights, q)
    torch.testing.assert_close(found["task"], (q * own).sum())
    assert made.weights.argmax() == own.argmax()


def test_group_weights_are_a_state(batches):
    _, made = objective("group_dro", dro_rate=0.5)
    made(batches, Step())
    _, other = objective("group_dro")
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.weights, made.weights)


def test_the_worst_step_alone_has_the_gradient(batches):
    """The hard maximum of the published code, by hand."""
    model, made = objective("group_dro", dro="worst")
    found = made(batches, Step()).terms["task"]
    own = risks(model, batches)
    worst = max(own, key=torch.Tensor.item)
    torch.testing.assert_close(found, worst)
    ours, alone = (torch.autograd.grad(one, model.layer.weight)[0] for one in (found, worst))
    torch.testing.assert_close(ours, alone)


def test_the_worst_step_is_that_of_all_processes(batches):
    model, made = objective("group_dro", dro="worst")
    step = Step()
    step.mean = lambda value: torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(made(batches, step).terms["task"], risks(model, batches)[1])


def test_the_penalty_of_irm_rises(batches):
    model, made = objective("irm", irm_weight=2.0, irm_rise=0.5)
    found = [made(batches, Step(number)).terms for number in (0, 2, 5, 9)]
    for terms in found:
        torch.testing.assert_close(terms["task"], torch.stack(risks(model, batches)).mean())
    values = [terms["irm"].item() for terms in found]
    assert values[0] == 0
    assert values[1] == pytest.approx(0.4 * values[2])
    assert values[2] == values[3] != 0


def test_the_penalty_of_irm_is_that_of_halves(batches):
    """By autograd: a dummy number multiplies the logits of each half."""
    model, made = objective("irm", irm_rise=0.0)
    found = made(batches, Step()).terms["irm"]
    order = torch.Generator().manual_seed(3)
    total = 0.0
    for one in batches.values():
        rows = torch.randperm(6, generator=order)
        slopes = []
        for half in (rows[0::2], rows[1::2]):
            dummy = torch.ones(1, requires_grad=True)
            loss = F.cross_entropy(dummy * model(one.inputs[half]).logits, one.labels[half])
            slopes.append(torch.autograd.grad(loss, dummy)[0])
        total += float(slopes[0] * slopes[1])
    assert found.item() == pytest.approx(total / 3, rel=1e-4)


def test_coral_is_a_mean_over_pairs_of_steps(batches):
    _, made = objective("coral", coral_weight=3.0)
    features = [one.inputs * 2 for one in batches.values()]
    gaps = [
        ((torch.cov(a.T) - torch.cov(b.T)) ** 2).sum() / (4 * 16)
        for a, b in ((features[0], features[1]), (features[0], features[2]), (features[1], features[2]))
    ]
    torch.testing.assert_close(made(batches, Step()).terms["coral"], 3 * torch.stack(gaps).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_model_and_each_step_is_logged(kind, batches):
    model, made = objective(kind)
    step = Step(number=9)
    made(batches, step).total.backward()
    assert model.layer.weight.grad.abs().sum() > 0
    assert set(step.seen) == {f"train/{name}_accuracy" for name in NAMES}


def test_auxiliary_heads_count_in_the_risks(batches):
    model, made = objective("coral")
    plain = made(batches, Step()).terms["task"]
    model.forward = lambda inputs: Outputs(model.layer(inputs), inputs, (model.layer(inputs),))
    torch.testing.assert_close(made(batches, Step()).terms["task"], 2 * plain)
