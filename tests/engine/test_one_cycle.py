"""One cycle of the learning rate: a rise over a quarter of the run, then a cosine."""

import dataclasses

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer
from modelheir.engine.schedules import learning_rate


@pytest.mark.parametrize(("epochs", "rise"), [(1, 0.0), (8, 0.0), (8, 3.0)])
def test_it_equals_the_library_s_two_halves(epochs, rise):
    """Also in a single epoch: the rise is a share of the run, so a short one has its top and its end."""
    fit = FitConfig(epochs=epochs, lr=0.4, warmup_epochs=rise, warmup_lr=0.1, min_lr=0.01)
    steps, up = 12 * epochs, round(12 * (rise or epochs / 4))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    halves = [LinearLR(optimizer, 0.25, 1.0, up), CosineAnnealingLR(optimizer, steps - up, eta_min=0.01)]
    library = SequentialLR(optimizer, halves, milestones=[up])
    found = []
    for step in range(steps):
        found.append(learning_rate(fit, step, 12))
        assert found[-1] == pytest.approx(library.get_last_lr()[0], rel=1e-6), step
        optimizer.step()
        library.step()
    assert max(found) == found[up] == pytest.approx(0.4)


def test_an_open_rate_never_trains():
    with pytest.raises(ValueError, match=r"fit\.lr is not chosen"):
        learning_rate(FitConfig(), 0, 10)
    with pytest.raises(ValueError, match=r"fit\.lr is not chosen"):
        make_optimizer([torch.nn.Linear(2, 2)], FitConfig())


def test_open_decay_is_that_of_the_optimiser():
    model = torch.nn.Linear(2, 2)
    fit = FitConfig(lr=0.1)
    decays = [
        make_optimizer([model], dataclasses.replace(fit, optimizer=name)).param_groups[0]["weight_decay"]
        for name in ("adamw", "sgd")
    ]
    assert decays == [0.01, 5e-4]
