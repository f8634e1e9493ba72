"""Two or three views of a few Gaussian samples, heads for them, and the engine's own step over plain optimisers."""

import dataclasses

import pytest
import torch
from torch import nn

from modelheir.config.fit import FitConfig
from modelheir.engine.step import EngineStep
from modelheir.inference.runtime import Runtime
from modelheir.objective.meta import MetaConfig, MetaCoTraining, MutualFeedbackConfig, TargetConfig
from modelheir.types import Batch

CLASSES = 3
PRIOR = torch.full((CLASSES,), 1 / CLASSES)

#: what the published recipe leaves out
BARE = TargetConfig(kind="sampled", confidence=0.0, align=False, average_decay=0.0)


def make_head(width, seed, *, hidden=5, dropout=0.0, norm=False):
    """Return a small float64 head from ``width`` features to three logits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = [nn.Linear(width, hidden), nn.Tanh()]
        parts += [nn.BatchNorm1d(hidden)] if norm else []
        parts += [nn.Dropout(dropout)] if dropout else []
        return nn.Sequential(*parts, nn.Linear(hidden, CLASSES)).double()


def make_heads(widths=(4, 6), **settings):
    return {f"view_{n}": make_head(width, n, **settings) for n, width in enumerate(widths)}


def make_batches(widths=(4, 6), *, labelled=7, unlabelled=9, seed=0):
    """Return a labelled and an unlabelled batch, float64."""
    generator = torch.Generator().manual_seed(seed)

    def batch(count, known):
        views = tuple(torch.randn(count, width, generator=generator, dtype=torch.float64) for width in widths)
        labels = torch.randint(0, CLASSES, (count,), generator=generator) if known else torch.full((count,), -1)
        return Batch(views, labels, torch.arange(count), labelled=known)

    return {"train": batch(labelled, True), "unlabelled": batch(unlabelled, False)}


def make_step(modules, *, lr=0.1, optimizer=torch.optim.SGD, seed=0, **fit):
    """Return the engine's step over one optimiser a module."""
    optimizers = {name: optimizer(module.parameters(), lr=lr) for name, module in modules.items()}
    step = EngineStep(Runtime("cpu"), FitConfig(**fit), optimizers, stage="train", seed=seed, steps=100)
    step.begin(0, 0)
    return step


def config(*, targets=None, feedback=None, **settings):
    """Return the published recipe's bare settings, changed as asked."""
    targets = dataclasses.replace(BARE, **(targets or {}))
    usual = {"form": "none", "weight": 1.0, "baseline_decay": 0.0, "centred": False, "scaled": False}
    return MetaConfig(targets, MutualFeedbackConfig(**{**usual, **(feedback or {})}), **settings)


def weights(modules):
    """Return copies of all weights and buffers."""
    return {f"{name}/{k}": v.clone() for name, module in modules.items() for k, v in module.state_dict().items()}


def train(chosen, *, steps=1, widths=(4, 6), head=None, batches=None, **settings):
    """Return the weights after some steps, the last terms, what was observed, and the update."""
    heads = make_heads(widths, **(head or {}))
    step = make_step(heads, **settings)
    update = MetaCoTraining(heads, chosen, prior=PRIOR)
    terms, seen = None, {}
    for number in range(steps):
        step.begin(0, number)
        terms = update(batches or make_batches(widths, seed=number), step)
        seen = step.observed()
    return weights(heads), terms, seen, update


@pytest.fixture
def meta():
    """Everything above under one name."""

    class Meta:
        classes, prior, bare = CLASSES, PRIOR, BARE
        head, heads, batches, step = map(staticmethod, (make_head, make_heads, make_batches, make_step))
        config, weights, train = map(staticmethod, (config, weights, train))

    return Meta
