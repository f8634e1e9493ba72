"""Rates of stages in a step: a weight moves by its stage's multiple of what the uniform rate would move it."""

import copy
import dataclasses

import pytest
import torch
from torch.nn import functional as F

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer, set_learning_rate
from modelheir.models import build, parameter_groups, stages

NETWORKS = ("tv:resnet18", "tv:resnet50", "tv:mobilenet_v3_small", "timm:lcnet_050", "timm:hgnetv2_b0")
FIT = FitConfig(optimizer="sgd", momentum=0.9, lr=0.25, schedule="constant", batch_size=4)


def made(name):
    return build(name, classes=("a", "b", "c"), image_size=32, seed=1).double()


def stepped(model, fit, rates):
    """One step from zero momentum; returns each weight's change and its gradient, in float64."""

    def groups(module):
        return [(tensors, rate, None) for tensors, rate in parameter_groups(module, rates)]

    optimizer = make_optimizer([model], fit, groups if rates else None)
    set_learning_rate(optimizer, fit.lr)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    torch.manual_seed(0)  # dropout
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    F.cross_entropy(model.train()(images).logits, torch.tensor([0, 1, 2, 1])).backward()
    optimizer.step()
    return {name: (p.detach() - before[name], p.grad, before[name]) for name, p in model.named_parameters()}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_weight_moves_by_its_stages_multiple(name, decay):
    model = made(name)
    groups = stages(model)
    rates = [0.1 * (1 + number) for number in range(len(groups) - 1)]  # the head is left out: 1
    fit = dataclasses.replace(FIT, weight_decay=decay)
    uniform = stepped(copy.deepcopy(model), fit, ())
    found = stepped(model, fit, rates)
    for group, rate in zip(groups, [*rates, 1.0], strict=True):
        for key in group:
            change, gradient, start = found[key]
            torch.testing.assert_close(change, uniform[key][0] * rate, atol=1e-15, rtol=1e-6)
            torch.testing.assert_close(change, -0.25 * rate * (gradient + decay * start), atol=1e-15, rtol=1e-6)
    assert any(found[key][0].abs().sum() > 0 for key in groups[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_at_zero_weights_stay_and_statistics_move(name):
    model = made(name)
    groups = stages(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    stepped(model, dataclasses.replace(FIT, weight_decay=0.1), [0.0] * (len(groups) - 1))
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert {key for key in moved if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))} == set(
        groups[-1]
    )
    assert {key for key in before if key.endswith("running_mean")} <= moved
