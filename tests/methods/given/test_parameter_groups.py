"""Groups of parameters: rates by depth, and names without weight decay, beside every other way to say either."""

import dataclasses

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer, set_learning_rate
from modelheir.methods.given.parameter_groups import parameter_groups
from modelheir.models import build, set_trainable, stages, transplant

FIT = FitConfig(optimizer="sgd", momentum=0.0, lr=0.5, weight_decay=0.1, schedule="constant", batch_size=4)


def made(name="convnet", seed=1):
    return build(name, classes=("a", "b", "c"), image_size=8, seed=seed).double()


def groups_of(module, **settings):
    """Parameter name -> multiplier and weight decay, as the optimiser has them."""
    fit = dataclasses.replace(FIT, **settings)
    optimizer = make_optimizer([module], fit, parameter_groups(fit))
    names = {id(one): name for name, one in module.named_parameters()}
    found = [
        (names[id(one)], (group["multiplier"], group["weight_decay"]))
        for group in optimizer.param_groups
        for one in group["params"]
    ]
    assert len(found) == len(dict(found))  # each once
    return dict(found)


def test_nothing_asked_for_is_one_group():
    assert parameter_groups(FIT) is None
    assert parameter_groups(dataclasses.replace(FIT, head_multiplier=1.0)) is None


@pytest.mark.parametrize("name", ["convnet", "mlp"])
def test_the_head_learns_faster_by_its_multiplier(name):
    model = made(name)
    head = set(stages(model)[-1])
    found = groups_of(model, head_multiplier=10.0)
    assert {key: rate for key, (rate, _) in found.items()} == {key: 10.0 if key in head else 1.0 for key in found}
    below = groups_of(model, layer_decay=0.5)
    assert groups_of(model, layer_decay=0.5, head_multiplier=10.0) == {
        key: (10.0 if key in head else rate, decay) for key, (rate, decay) in below.items()
    }


@pytest.mark.parametrize("name", ["convnet", "mlp"])
def test_each_stage_learns_at_a_power_of_the_one_after_it(name):
    model = made(name)
    found = groups_of(model, layer_decay=0.5)
    last = len(stages(model)) - 1
    for number, group in enumerate(stages(model)):
        assert {found[key] for key in group} == {(0.5 ** (last - number), 0.1)}
    assert found["head.weight"][0] == 1.0
    assert found == groups_of(model, lr_multipliers=tuple(0.5 ** (last - number) for number in range(last + 1)))
    frozen = groups_of(model, layer_decay=0.0)  # the head alone moves
    assert {key for key, (rate, _) in frozen.items() if rate} == set(stages(model)[-1])


def test_a_step_moves_each_weight_by_its_rate_and_decay():
    """By hand: ``-lr rate (gradient + decay w)``."""
    model = made()
    fit = dataclasses.replace(FIT, layer_decay=0.5, no_decay=("head.weight", "body.blocks.0"))
    optimizer = make_optimizer([model], fit, parameter_groups(fit))
    set_learning_rate(optimizer, fit.lr)
    before = {key: one.detach().clone() for key, one in model.named_parameters()}
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    model.train()(images).logits.square().sum().backward()
    optimizer.step()
    last = len(stages(model)) - 1
    for number, group in enumerate(stages(model)):
        for key in group:
            one = model.get_parameter(key)
            shrink = 0.0 if key == "head.weight" or key.startswith("body.blocks.0.") else 0.1
            change = -0.5 * 0.5 ** (last - number) * (one.grad + shrink * before[key])
            torch.testing.assert_close(one.detach() - before[key], change, atol=1e-12, rtol=1e-9)


def test_names_without_decay_go_together_with_norms_and_rates():
    model = made()
    rates = tuple(1.0 + number for number in range(len(stages(model))))
    found = groups_of(model, no_decay=("head", "body.blocks.1.*"), decay_norm_and_bias=False, lr_multipliers=rates)
    stage = {key: rate for group, rate in zip(stages(model), rates, strict=True) for key in group}
    one_dimensional = {key for key, one in model.named_parameters() if one.ndim <= 1}
    bare = {key for key in found if key.startswith(("head.", "body.blocks.1."))} | one_dimensional
    assert found == {key: (stage[key], 0.0 if key in bare else 0.1) for key in stage}
    plainly = groups_of(model, no_decay=("*.bias",))
    assert plainly == {key: (1.0, 0.0 if key.endswith(".bias") else 0.1) for key in stage}


def test_a_module_beside_the_model_keeps_the_rate_and_decay_of_the_run():
    both = transplant(made(), made(seed=2), alpha=0.5)
    found = groups_of(both, layer_decay=0.5, no_decay=("head",))
    inner = {key.removeprefix("model."): value for key, value in found.items() if key.startswith("model.")}
    assert inner == groups_of(both.model, layer_decay=0.5, no_decay=("head",))
    assert {value for key, value in found.items() if not key.startswith("model.")} <= {(1.0, 0.1)}
    other = torch.nn.Linear(2, 2)
    assert groups_of(other, layer_decay=0.5, no_decay=("head",)) == {"weight": (1.0, 0.1), "bias": (1.0, 0.1)}


def test_what_does_not_train_is_in_no_group():
    model = made()
    set_trainable(model, "head")
    assert groups_of(model, no_decay=("body.blocks.0",)) == {"head.weight": (1.0, 0.1), "head.bias": (1.0, 0.1)}


def test_a_name_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"fit.no_decay = \['hed'\]: .*Did you mean 'head'\?"):
        groups_of(made(), no_decay=("hed",))
