"""A quadratic and a small network that move in a plane, and the engine's own step over them."""

import types

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.config.fit import FitConfig
from modelheir.engine.step import EngineStep
from modelheir.inference.runtime import Runtime
from modelheir.models.adapters import Plane, reparametrise
from modelheir.objective.subspace import QuasiNewton, QuasiNewtonConfig
from modelheir.types import Batch, LossTerms

CLASSES = 3


class Point(nn.Module):
    """Weights alone, float64 ``(M,)``."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())


def make_plane(model, rows):
    """Let all parameters of ``model`` move along ``rows`` ``(n, M)``, in the order of its parameters."""
    held = dict(model.named_parameters())
    first = next(iter(held.values()))
    shared = nn.Parameter(torch.zeros(len(rows), dtype=first.dtype))
    at = 0
    for number, (name, value) in enumerate(held.items()):
        part = rows[:, at : at + value.numel()].reshape(len(rows), *value.shape)
        at += value.numel()
        path, _, own = name.rpartition(".")
        reparametrise(model.get_submodule(path), own, Plane(shared, part.to(value), owner=number == 0))
    return shared


def orthonormal(count, width, seed=0):
    """Return ``count`` orthonormal rows, float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(width, count, generator=generator, dtype=torch.float64))[0].T.contiguous()


def quadratic(spectrum, *, width=None, seed=0, **config):
    """Return a problem whose Hessian in the plane has these eigenvalues, at 0."""
    spectrum = torch.as_tensor(spectrum, dtype=torch.float64)
    count, width = len(spectrum), width or len(spectrum) + 5
    rows = orthonormal(count, width, seed)
    turn = orthonormal(count, count, seed + 100)
    hessian = turn.T @ torch.diag(spectrum) @ turn
    whole = rows.T @ hessian @ rows + 0.3 * (torch.eye(width, dtype=torch.float64) - rows.T @ rows)
    generator = torch.Generator().manual_seed(seed + 1)
    right = torch.randn(count, generator=generator, dtype=torch.float64)
    best = torch.linalg.solve(hessian, right)
    model = Point(torch.zeros(width, dtype=torch.float64))
    z = make_plane(model, rows)

    def loss(w):
        off = w - rows.T @ best
        return off @ whole @ off / 2

    def objective(batches, step):
        return LossTerms({"task": loss(model.weight)})

    most = loss(torch.zeros_like(rows[0]))
    return types.SimpleNamespace(
        model=model,
        z=z,
        update=QuasiNewton(model, z, objective, QuasiNewtonConfig(**config)),
        gap=lambda: float(loss(model.weight.detach()) / most),
        hessian=hessian.numpy(),
        right=right.numpy(),
        loss=loss,
    )


def make_net(seed=0, *, dropout=0.0, norm=True, width=6, hidden=8):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = [nn.Linear(width, hidden)]
        parts += [nn.BatchNorm1d(hidden, affine=False)] if norm else []
        parts += [nn.Tanh()]
        parts += [nn.Dropout(dropout)] if dropout else []
        return nn.Sequential(*parts, nn.Linear(hidden, CLASSES)).double()


def make_batch(count=12, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, width, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    return {"train": Batch(inputs, labels, torch.arange(count), labelled=True)}


def of_net(model):
    def objective(batches, step):
        batch = batches["train"]
        logits = model(batch.inputs.to(next(model.parameters()).dtype))
        step.observe("train/accuracy", (logits.detach().argmax(1) == batch.labels).float().mean())
        return LossTerms(
            {"task": cross_entropy(logits.float() if logits.dtype != torch.float64 else logits, batch.labels)}
        )

    return objective


def make_step(model, *, lr=1.0, seed=0, **fit):
    moved = [one for one in model.parameters() if one.requires_grad]
    optimizers = {"main": torch.optim.SGD(moved, lr=lr)}
    step = EngineStep(Runtime("cpu"), FitConfig(**fit), optimizers, stage="train", seed=seed, steps=100)
    step.begin(0, 0)
    return step


@pytest.fixture
def plane():
    """Everything above under one name."""

    class Planes:
        point, make, orthonormal, quadratic = map(staticmethod, (Point, make_plane, orthonormal, quadratic))
        net, batch, of_net, step = map(staticmethod, (make_net, make_batch, of_net, make_step))
        classes = CLASSES

    return Planes
