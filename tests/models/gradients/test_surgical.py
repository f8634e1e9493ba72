import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from modelheir.models.gradients import auto_rgn, layer_scores, ranked_layers
from modelheir.types import Batch, Outputs

LAYERS = {"first": ["first.weight"], "head": ["head.weight", "head.bias"]}


class Linear(nn.Module):
    """Two linear layers, whose gradients are known in closed form."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.head = nn.Linear(4, 5, bias=False), nn.Linear(5, 3)

    def forward(self, inputs):
        hidden = self.first(inputs)
        return Outputs(self.head(hidden), hidden)


def data(sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    inputs, labels = torch.randn(n, 4, generator=generator), torch.randint(3, (n,), generator=generator)
    return [
        Batch(inputs=x, labels=y, index=i)
        for x, y, i in zip(inputs.split(sizes), labels.split(sizes), torch.arange(n).split(sizes), strict=True)
    ]


def by_hand(model, batches):
    """Per-image gradients in NumPy: residual times input, layer by layer."""
    w, v, c = (p.detach().double().numpy() for p in (model.first.weight, model.head.weight, model.head.bias))
    found = {"first.weight": [], "head.weight": [], "head.bias": []}
    for batch in batches:
        for x, y in zip(batch.inputs.double().numpy(), batch.labels.numpy(), strict=True):
            h = w @ x
            z = v @ h + c
            r = np.exp(z - z.max()) / np.exp(z - z.max()).sum() - np.eye(3)[y]
            found["head.bias"].append(r)
            found["head.weight"].append(np.outer(r, h))
            found["first.weight"].append(np.outer(v.T @ r, x))
    weights = {"first.weight": w, "head.weight": v, "head.bias": c}
    return {name: np.stack(value) for name, value in found.items()}, weights


def flat(tensors, names):
    return np.concatenate([tensors[name].ravel() for name in names])


def test_the_relative_gradient_norm_by_hand():
    model, batches = Linear(), data([3, 4])
    each, weights = by_hand(model, batches)
    mean = {name: value.mean(axis=0) for name, value in each.items()}
    wanted = {k: np.linalg.norm(flat(mean, n)) / np.linalg.norm(flat(weights, n)) for k, n in LAYERS.items()}
    assert layer_scores(model, batches, LAYERS) == pytest.approx(wanted, rel=1e-4)
    ratio = {name: np.linalg.norm(mean[name]) / np.linalg.norm(weights[name]) for name in mean}
    top = max(ratio.values())
    assert auto_rgn(model, batches) == pytest.approx({name: value / top for name, value in ratio.items()}, rel=1e-4)


@pytest.mark.parametrize("how", ["vmap", "loop"])
def test_signal_to_noise_over_images_by_hand(how):
    model, batches = Linear(), data([3, 4, 2])
    each, _ = by_hand(model, batches)
    ratio = {name: value.mean(axis=0) ** 2 / value.var(axis=0) for name, value in each.items()}
    wanted = {layer: flat(ratio, names).mean() for layer, names in LAYERS.items()}
    assert layer_scores(model, batches, LAYERS, score="snr", how=how) == pytest.approx(wanted, rel=1e-3)


def test_as_published_by_hand():
    model, batches = Linear(), data([3, 4])
    each, weights = by_hand(model, batches)
    rgn, snr = dict.fromkeys(each, 0.0), dict.fromkeys(each, 0.0)
    for part in (slice(0, 3), slice(3, 7)):
        for name, value in each.items():
            g = value[part].mean(axis=0)
            rgn[name] += np.linalg.norm(g) / np.linalg.norm(weights[name]) / 7
            snr[name] += (g**2 / (g.var(axis=0, ddof=1, keepdims=True) + 1e-8)).mean() / 7
    for score, tensors in {"rgn": rgn, "snr": snr}.items():
        wanted = {layer: np.mean([tensors[name] for name in names]) for layer, names in LAYERS.items()}
        got = layer_scores(model, batches, LAYERS, score=score, rule="compat")
        assert got == pytest.approx(wanted, rel=1e-3), score


@pytest.mark.parametrize("rule", ["fixed", "compat"])
def test_scaling_the_loss_scales_the_relative_gradient_and_keeps_the_order(monkeypatch, rule):
    model, batches = Linear(), data([4, 4])
    plain, multipliers = layer_scores(model, batches, LAYERS, rule=rule), auto_rgn(model, batches)
    noise = layer_scores(model, batches, LAYERS, score="snr")
    own = F.cross_entropy
    monkeypatch.setattr(F, "cross_entropy", lambda *given, **named: 1e-3 * own(*given, **named))
    scaled = layer_scores(model, batches, LAYERS, rule=rule)
    assert scaled == pytest.approx({name: 1e-3 * value for name, value in plain.items()}, rel=1e-4)
    assert ranked_layers(scaled) == ranked_layers(plain)
    assert auto_rgn(model, batches) == pytest.approx(multipliers, rel=1e-4)
    assert layer_scores(model, batches, LAYERS, score="snr") == pytest.approx(noise, rel=1e-3)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(0, 99))
def test_fixed_does_not_depend_on_the_batches_and_compat_does(sizes, seed):
    model, parted, (whole,) = Linear(), data(sizes, seed), data([sum(sizes)], seed)
    for score in ("rgn", "snr"):
        one = layer_scores(model, parted, LAYERS, score=score, how="vmap")
        assert one == pytest.approx(layer_scores(model, [whole], LAYERS, score=score, how="vmap"), rel=5e-3)
    published = [layer_scores(model, some, LAYERS, rule="compat")["head"] for some in (parted, [whole])]
    assert published[0] > published[1]  # more batches, a larger sum


def test_a_layer_of_zeros_and_a_weight_without_noise():
    model, batches = Linear(), data([4])
    with torch.no_grad():
        model.head.bias.zero_()
    found = auto_rgn(model, batches)
    assert found["head.bias"] == 1
    assert max(found["first.weight"], found["head.weight"]) == pytest.approx(1)
    same = [Batch(inputs=torch.ones(2, 4), labels=torch.zeros(2, dtype=torch.long), index=torch.arange(2))]
    assert layer_scores(model, same, LAYERS, score="snr", how="loop") == {"first": 0.0, "head": 0.0}


class Scaled(Linear):
    """Has a parameter that is one number."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, inputs):
        return super().forward(inputs * self.scale)


@pytest.mark.parametrize("rule", ["fixed", "compat"])
def test_a_parameter_that_is_one_number_has_a_score(rule):
    found = layer_scores(Scaled(), data([3, 2]), {"scale": ["scale"]}, score="snr", rule=rule, how="vmap")
    assert 0 < found["scale"] < float("inf")


def test_the_model_is_left_as_it_was():
    model = Linear().train()
    layer_scores(model, data([2]), LAYERS)
    assert model.training
    assert all(value.grad is None for value in model.parameters())


def test_says_what_is_wrong():
    model, batches = Linear(), data([2])
    unlabelled = [Batch(inputs=torch.ones(1, 4), labels=torch.tensor([-1]), index=torch.arange(1))]
    for chosen in ({}, {"score": "snr"}, {"rule": "compat"}):
        with pytest.raises(ValueError, match="a label here is -1"):
            layer_scores(model, unlabelled, LAYERS, **chosen)
        with pytest.raises(ValueError, match="images must be >="):
            layer_scores(model, [], LAYERS, **chosen)
    with pytest.raises(ValueError, match="images must be >= 2, got 1"):
        layer_scores(model, data([1]), LAYERS, score="snr")
    with pytest.raises(ValueError, match="layer body must name parameters"):
        layer_scores(model, batches, {"body": ["nowhere.weight"]})
    with pytest.raises(ValueError, match="unknown score 'rng'"):
        layer_scores(model, batches, LAYERS, score="rng")
    with pytest.raises(ValueError, match="unknown rule"):
        layer_scores(model, batches, LAYERS, rule="old")
    with torch.no_grad():
        model.head.weight.zero_()
        model.first.weight.zero_()
        model.head.bias.copy_(torch.tensor([200.0, 0.0, 0.0]))
    sure = [Batch(inputs=torch.ones(1, 4), labels=torch.tensor([0]), index=torch.arange(1))]
    with pytest.raises(ValueError, match="largest_gradient must be > 0"):
        auto_rgn(model, sure)
