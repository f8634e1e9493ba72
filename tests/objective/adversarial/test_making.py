"""Each loss against its formula in NumPy on a linear network, what is read and drawn, and the network left alone."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, rel_entr, softmax
from torch import nn

from modelheir.checks import InputError
from modelheir.objective import SupervisedConfig, make_supervised
from modelheir.objective.adversarial import AdversarialConfig, make_adversarial
from modelheir.objective.adversarial.attack import bernoulli_start, normal_start, uniform_start
from modelheir.types import Batch, Outputs


class Net(nn.Module):
    """Softmax regression over the pixels; or with a batch norm before it."""

    def __init__(self, *, normed=False):
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm2d(3) if normed else nn.Identity()
        self.head = nn.Linear(12, 3).double()
        self.norm.double()

    def forward(self, x):
        features = self.norm(x).flatten(1)
        return Outputs(self.head(features), features)


class OneStep:
    """What the engine hands over, for one process."""

    def __init__(self, seed=4):
        self.device_generator = torch.Generator().manual_seed(seed)
        self.seen = {}

    def observe(self, name, value):
        self.seen[name] = value

    def gather(self, values):
        return values


def batch(n=5, seed=1):
    inputs = torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Batch(inputs, torch.arange(n) % 3, torch.arange(n), labelled=True)


def terms(config, model=None, given=None, seed=4):
    made = make_adversarial(config, make_supervised(SupervisedConfig()))
    return made(model or Net(), given or batch(), OneStep(seed))


def numbers(model):
    return model.head.weight.detach().numpy(), model.head.bias.detach().numpy()


def logits(x, model):
    weight, bias = numbers(model)
    return x.reshape(len(x), -1) @ weight.T + bias


def surprise(x, label, model):
    return -log_softmax(logits(x, model), axis=1)[np.arange(len(x)), label]


def climb(slope_of, x, start, epsilon, size, steps):
    """Projected steps, by a loop."""
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    found = np.clip(x + start, low, high)
    for _ in range(steps):
        found = np.clip(found + size * np.sign(slope_of(found)), low, high)
    return found


def slope_of_logits(weights, model):
    return lambda x: (weights(x) @ numbers(model)[0]).reshape(x.shape)


@pytest.mark.parametrize(("attack", "steps"), [("fgsm", 1), ("pgd", 4)])
def test_adversarial_is_the_cross_entropy_of_attacked_images(attack, steps):
    config = AdversarialConfig(loss="adversarial", attack=attack, epsilon=0.2, steps=4)
    model, given = Net(), batch()
    x, label = given.inputs.numpy(), given.labels.numpy()
    start = uniform_start(given.inputs, 0.2, generator=torch.Generator().manual_seed(4)).numpy()
    slope = slope_of_logits(lambda one: softmax(logits(one, model), axis=1) - np.eye(3)[label], model)
    found = climb(slope, x, start, 0.2, 0.25 if attack == "fgsm" else 0.125, steps)
    ours = terms(config, model, given)
    assert list(ours) == ["task"]
    assert ours["task"].item() == pytest.approx(surprise(found, label, model).mean(), rel=1e-6)
    assert ours["task"].item() > surprise(x, label, model).mean()


def test_trades_is_a_plain_loss_and_the_divergence_of_attacked_images():
    config = AdversarialConfig(loss="trades", attack="pgd", epsilon=0.2, steps=3, weight=4.0)
    model, given = Net(), batch()
    x, label = given.inputs.numpy(), given.labels.numpy()
    p = softmax(logits(x, model), axis=1)
    start = normal_start(given.inputs, 0.001, generator=torch.Generator().manual_seed(4)).numpy()
    slope = slope_of_logits(lambda one: softmax(logits(one, model), axis=1) - p, model)  # of KL(p || q) by q's logits
    found = climb(slope, x, start, 0.2, 2.5 * 0.2 / 3, 3)
    expected = rel_entr(p, softmax(logits(found, model), axis=1)).sum(1).mean()
    ours = terms(config, model, given)
    assert ours["task"].item() == pytest.approx(surprise(x, label, model).mean(), rel=1e-6)
    assert ours["robust"].item() == pytest.approx(4.0 * expected, rel=1e-4)


def test_gat_is_a_plain_loss_and_the_squared_distance_of_guided_images():
    config = AdversarialConfig(loss="gat", epsilon=0.2)
    model, given = Net(), batch()
    x, label = given.inputs.numpy(), given.labels.numpy()
    p = softmax(logits(x, model), axis=1)

    def by_logits(one):
        q = softmax(logits(one, model), axis=1)
        inner = 2 * 10.0 * (q - p)
        return q - np.eye(3)[label] + q * (inner - (inner * q).sum(1, keepdims=True))

    start = bernoulli_start(given.inputs, 0.1, generator=torch.Generator().manual_seed(4)).numpy()
    found = climb(slope_of_logits(by_logits, model), x, start, 0.2, 0.2, 1)
    expected = ((softmax(logits(found, model), axis=1) - p) ** 2).sum(1).mean()
    ours = terms(config, model, given)
    assert ours["robust"].item() == pytest.approx(10.0 * expected, rel=1e-5)
    assert ours["task"].item() == pytest.approx(surprise(x, label, model).mean(), rel=1e-6)


@pytest.mark.parametrize("loss", ["none", "adversarial", "trades", "gat"])
def test_without_a_bound_there_is_the_plain_loss(loss):
    plain = terms(AdversarialConfig())
    config = AdversarialConfig(loss=loss, epsilon=0.0, attack="pgd", steps=2) if loss != "none" else AdversarialConfig()
    found = terms(config)
    assert found["task"].item() == pytest.approx(plain["task"].item(), rel=1e-12)
    assert found.get("robust", torch.zeros(())).item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("loss", ["adversarial", "trades", "gat"])
@pytest.mark.parametrize("grad_align", [0.0, 0.5])
def test_statistics_move_by_the_passes_of_the_loss_alone(loss, grad_align):
    """One pass over attacked images, or two with those as they are; gradients only by a backward pass of the terms."""
    model, given = Net(normed=True).train(), batch(12)
    before = copy.deepcopy(model.state_dict())
    found = terms(AdversarialConfig(loss=loss, attack="pgd", grad_align=grad_align), model, given)
    passes = 1 if loss == "adversarial" else 2
    assert int(model.norm.num_batches_tracked) == passes
    assert all(one.grad is None for one in model.parameters())
    assert all(part.training for part in model.modules())
    assert set(found) == {"task"} | ({"robust"} if loss != "adversarial" else set()) | (
        {"grad_align"} if grad_align else set()
    )
    sum(found.values()).backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in model.parameters())
    assert torch.equal(model.head.weight, before["head.weight"])


def test_of_a_linear_network_with_two_classes_gradients_are_aligned():
    """The slope of its loss has one direction everywhere, so the term is 0; with three classes it is not."""
    three = terms(AdversarialConfig(loss="adversarial", grad_align=2.0, epsilon=0.5))
    assert three["grad_align"].item() > 1e-6
    model = Net()
    model.head = nn.Linear(12, 2).double()
    given = dataclasses.replace(batch(), labels=torch.tensor([0, 1, 1, 0, 1]))
    two = terms(AdversarialConfig(loss="adversarial", grad_align=2.0, epsilon=0.5), model, given)
    assert two["grad_align"].item() == pytest.approx(0.0, abs=1e-6)


def test_draws_are_those_of_the_step():
    config = AdversarialConfig(loss="adversarial", epsilon=0.3)
    torch.manual_seed(1)
    first = terms(config)["task"]
    torch.manual_seed(2)
    assert torch.equal(first, terms(config)["task"])
    assert not torch.equal(first, terms(config, seed=5)["task"])


def test_unlabelled_images_count_where_no_label_is_read():
    given = dataclasses.replace(batch(6), labels=torch.tensor([0, -1, 1, -1, -1, 2]), labelled=False)
    found = terms(AdversarialConfig(loss="trades", epsilon=0.2, attack="pgd"), given=given)
    known = dataclasses.replace(given, inputs=given.inputs[[0, 2, 5]], labels=given.labels[[0, 2, 5]])
    assert found["task"].item() == pytest.approx(terms(AdversarialConfig(), given=known)["task"].item())
    assert found["robust"].item() > 0
    assert "robust" not in terms(AdversarialConfig(loss="trades", weight=0.0))


def test_mixed_images_are_attacked_by_their_targets():
    targets = torch.softmax(torch.randn(5, 3, generator=torch.Generator().manual_seed(2)), 1).double()
    given = dataclasses.replace(batch(), targets=targets)
    clean = terms(AdversarialConfig(), given=given)["task"]
    assert terms(AdversarialConfig(loss="adversarial", epsilon=0.2), given=given)["task"] > clean


@pytest.mark.parametrize("inputs", [torch.rand(5, 7), (torch.rand(5, 3, 2, 2), torch.rand(5, 3, 2, 2))])
def test_what_is_no_image_is_refused(inputs):
    with pytest.raises(InputError, match="adversarial training changes images, one view each"):
        terms(AdversarialConfig(loss="adversarial"), given=dataclasses.replace(batch(), inputs=inputs))


@pytest.mark.parametrize("loss", ["trades", "gat"])
def test_gradients_flow_through_predictions_of_both(loss):
    """Images as they are learn to say what attacked ones do, and the other way round; found images are constants."""
    config, model, given = AdversarialConfig(loss=loss, attack="pgd", epsilon=0.2, steps=3, weight=1.0), Net(), batch()
    seen = []
    model.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach().clone()))
    terms(config, model, given)["robust"].backward()
    ours, found = model.head.weight.grad.clone(), seen[-1]
    model.zero_grad()
    p, q = (model(x).logits.softmax(1) for x in (given.inputs, found))
    far = (p * (p.log() - q.log())).sum(1) if loss == "trades" else (q - p).square().sum(1)
    far.mean().backward()
    torch.testing.assert_close(ours, model.head.weight.grad, rtol=1e-4, atol=1e-8)
