"""The layers of one head, by explicit matrices: the documented map of FCNN and the clean one, MLP, temperature."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.checks import InputError
from modelheir.models.vector_heads.layers import SkipLayers, make_layers, perceptron

N, D, C = 6, 4, 3


def double(*args, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        made = make_layers(*args, **settings).double()
        for norm in (one for one in made.modules() if isinstance(one, nn.BatchNorm1d)):
            for value in (norm.running_mean, norm.weight, norm.bias):
                nn.init.normal_(value, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return made


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def normed(norm, x, *, batch):
    """The batch norm's formula, with the batch's own moments in training."""
    mean, var = (x.mean(0), x.var(0)) if batch else (norm.running_mean.numpy(), norm.running_var.numpy())
    scaled = (x - mean) / np.sqrt(var + norm.eps)
    return scaled * norm.weight.detach().numpy() + norm.bias.detach().numpy()


def affine(layer, x):
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


@pytest.mark.parametrize("training", [True, False])
def test_documented_fcnn_is_the_published_map(draw, training):
    made = double("fcnn", D, C, hidden=(5, 6, 7), documented=True, temperature=2.0).train(training)
    x = draw(N, D, dtype=torch.float64)
    layers, norms = made.hidden.layers, made.hidden.norms
    h1 = normed(norms[0], leaky(affine(layers[0], x.numpy())), batch=training)
    h2 = normed(norms[1], leaky(affine(layers[1], np.hstack([h1, h1]))), batch=training)
    joined = np.hstack([h1, h2, h2])
    logits, features = made(x)
    np.testing.assert_allclose(features.detach(), joined, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(logits.detach(), leaky(affine(made.last, joined)) / 2, rtol=1e-12, atol=1e-12)
    assert len(layers) == 2
    assert (logits < 0).any()


def test_documented_sizes_are_those_of_the_paper():
    made = make_layers("fcnn", 768, 10, hidden=(1024, 1024, 1024), documented=True)
    shapes = [tuple(one.weight.shape) for one in (*made.hidden.layers, made.last)]
    assert shapes == [(1024, 768), (1024, 2048), (10, 3072)]


def test_clean_fcnn_builds_every_width_reads_each_layer_once_and_leaves_the_logits_alone(draw):
    made = double("fcnn", D, C, hidden=(5, 6, 7)).eval()
    x, found = draw(N, D, dtype=torch.float64), []
    read = x.numpy()
    for layer, norm in zip(made.hidden.layers, made.hidden.norms, strict=True):
        found.append(normed(norm, leaky(affine(layer, read)), batch=False))
        read = np.hstack(found)
    assert [one.shape[1] for one in found] == [5, 6, 7]
    np.testing.assert_allclose(made(x)[0].detach(), affine(made.last, read), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_mlp_by_matrices(draw, batch_norm):
    made = double("mlp", D, C, hidden=(5, 6), batch_norm=batch_norm, temperature=0.5).eval()
    x = draw(N, D, dtype=torch.float64)
    read = x.numpy()
    steps = [one for one in made.hidden if not isinstance(one, nn.ReLU)]
    for one in steps:
        read = affine(one, read) if isinstance(one, nn.Linear) else normed(one, read, batch=False)
        if isinstance(one, nn.BatchNorm1d) or not batch_norm:
            read = np.maximum(read, 0)
    np.testing.assert_allclose(made(x)[0].detach(), affine(made.last, read) / 0.5, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(made(x)[1].detach(), read, rtol=1e-12, atol=1e-12)
    assert len(steps) == (4 if batch_norm else 2)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 20), st.sampled_from(["linear", "mlp", "fcnn"]))
def test_temperature_divides_the_logits_of_every_kind(temperature, kind):
    """The public code has a second definition, which multiplies."""
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(1)).double()
    plain, made = (double(kind, D, C, hidden=(5, 4), temperature=t).eval() for t in (1.0, temperature))
    torch.testing.assert_close(made(x)[0], plain(x)[0] / temperature)
    torch.testing.assert_close(made(x)[1], plain(x)[1])


def test_linear_reads_the_vectors_themselves(draw):
    made, x = double("linear", D, C, hidden=(9,)), draw(N, D, dtype=torch.float64)
    assert torch.equal(made(x)[1], x)
    np.testing.assert_allclose(made(x)[0].detach(), affine(made.last, x.numpy()), rtol=1e-12)
    empty = double("mlp", D, C)
    assert torch.equal(empty(x)[1], x)


@pytest.mark.parametrize("kind", ["mlp", "fcnn"])
def test_dropout_acts_in_training_alone_and_for_all_hidden_layers(draw, kind):
    x = draw(N, D, dtype=torch.float64)
    made = double(kind, D, C, hidden=(50, 50), dropout=0.5)
    rates = [one.p for one in made.modules() if isinstance(one, nn.Dropout)]
    assert rates == [0.5] * len(rates)
    assert len(rates) == (2 if kind == "mlp" else 1)
    made.eval()
    assert torch.equal(made(x)[0], made(x)[0])
    made.train()
    torch.manual_seed(0)
    assert not torch.equal(made(x)[0], made(x)[0])
    assert not any(isinstance(one, nn.Dropout) for one in double(kind, D, C, hidden=(5, 5)).modules())


def test_dropout_of_fcnn_lies_before_its_batch_norm(draw):
    made = SkipLayers(D, (8,), dropout=1.0).train()
    assert made(draw(N, D)).abs().max() == 0  # all is dropped; behind the norm so would its shift be
    nn.init.ones_(made.norms[0].bias)
    assert made(draw(N, D)).eq(1).all()


def test_what_cannot_be_built_is_refused():
    with pytest.raises(InputError, match=r"hidden = \[\]: give one width"):
        make_layers("fcnn", D, C)
    with pytest.raises(InputError, match=r"hidden = \[5\]: give two widths"):
        make_layers("fcnn", D, C, hidden=(5,), documented=True)
    with pytest.raises(InputError, match="Did you mean 'linear'"):
        make_layers("liner", D, C)
    with pytest.raises(ValueError, match="temperature must be > 0"):
        make_layers("linear", D, C, temperature=0.0)
    with pytest.raises(ValueError, match="classes must be >= 1"):
        make_layers("linear", D, 0)
    with pytest.raises(ValueError, match="dropout must be from 0 to 1"):
        make_layers("mlp", D, C, dropout=1.5)
    assert len(perceptron(D, ())) == 0
