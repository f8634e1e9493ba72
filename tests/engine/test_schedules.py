"""Learning rates are the documented functions of their settings."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer
from modelheir.engine.schedules import Plateau, learning_rate, peak_rate


def test_learning_rate_follows_the_documented_schedules(toy):
    step = dataclasses.replace(toy.fit, epochs=90, lr=0.1, schedule="step", step_epochs=30)
    assert [learning_rate(step, e * 7, 7) for e in (0, 29, 30, 89)] == pytest.approx([0.1, 0.1, 0.01, 0.001])
    cosine = dataclasses.replace(toy.fit, epochs=10, lr=0.2, schedule="cosine", min_lr=2e-4)
    assert learning_rate(cosine, 0, 8) == pytest.approx(0.2)
    assert learning_rate(cosine, 40, 8) == pytest.approx(0.2 * 0.5 + 1e-4)
    assert learning_rate(cosine, 80, 8) == pytest.approx(2e-4)
    warm = dataclasses.replace(cosine, warmup_epochs=2, warmup_lr=0.01)
    assert [learning_rate(warm, s, 8) for s in (0, 8, 16)] == pytest.approx([0.01, 0.105, 0.2])
    line = dataclasses.replace(cosine, schedule="linear", min_lr=0.0)
    assert learning_rate(line, 20, 8) == pytest.approx(0.15)


def test_cosine_equals_the_library_s(toy):
    fit = dataclasses.replace(toy.fit, epochs=5, lr=0.3, min_lr=0.01)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    library = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    for step in range(20):
        assert learning_rate(fit, step, 4) == pytest.approx(library.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        library.step()


def test_cosine_with_warm_up_has_the_values_worked_out_by_hand():
    """Base 0.4, 10 epochs of 5 steps, 2 of warm-up: a tenth a step, then ``0.2 (1 + cos(pi (k - 10) / 40))``."""
    fit = FitConfig(epochs=10, lr=0.4, schedule="cosine", warmup_epochs=2)
    found = [learning_rate(fit, step, 5) for step in (0, 1, 5, 9, 10, 20, 30, 49)]
    assert found == pytest.approx([0, 0.04, 0.2, 0.36, 0.4, 0.3414213562, 0.2, 0.0006165333], abs=1e-9)
    assert found[0] == 0


def test_fixmatch_cosine_stops_before_the_wave_turns(toy):
    """SD-42: lr cos(7 pi k / 16 K), by hand at the start, half of the way and the end."""
    fit = dataclasses.replace(toy.fit, epochs=10, lr=0.03, schedule="fixmatch_cosine")
    expected = [0.03 * math.cos(7 * math.pi * k / (16 * 80)) for k in (0, 40, 80)]
    assert [learning_rate(fit, k, 8) for k in (0, 40, 80)] == pytest.approx(expected)
    assert expected == pytest.approx([0.03, 0.03 * 0.773010453, 0.03 * 0.195090322])
    warm = dataclasses.replace(fit, warmup_epochs=2, min_lr=0.01)
    assert [learning_rate(warm, k, 8) for k in (8, 16, 80)] == pytest.approx([0.015, 0.03, 0.01 + 0.02 * 0.195090322])


def library_rates(fit, steps_per_epoch, made):
    """Rates of torch's own schedule at every step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=fit.lr)
    library = made(optimizer)
    for _ in range(fit.epochs * steps_per_epoch):
        yield library.get_last_lr()[0]
        optimizer.step()
        library.step()


def test_multistep_equals_the_library_s_and_is_step_where_drops_are_regular():
    fit = FitConfig(epochs=6, lr=0.3, schedule="multistep", milestones=(4, 1.5, 4), step_factor=0.5)  # in any order
    expected = library_rates(fit, 4, lambda one: torch.optim.lr_scheduler.MultiStepLR(one, [6, 16, 16], gamma=0.5))
    assert [learning_rate(fit, step, 4) for step in range(24)] == pytest.approx(list(expected))
    regular = dataclasses.replace(fit, milestones=(0.3, 0.6, 0.9))  # of 10 steps an epoch, where thirds are not exact
    for step in range(10):
        assert learning_rate(regular, step, 10) == pytest.approx(0.3 * 0.5 ** (step // 3))
    rising = dataclasses.replace(fit, warmup_epochs=2)  # milestones count from the start
    assert [learning_rate(rising, step, 4) for step in (4, 8, 16)] == pytest.approx([0.15, 0.15, 0.0375])
    assert {learning_rate(dataclasses.replace(fit, milestones=()), step, 4) for step in range(24)} == {0.3}


@pytest.mark.parametrize("power", [0.5, 0.9, 2.0])
def test_polynomial_equals_the_library_s_and_ends_at_its_lowest(power):
    fit = FitConfig(epochs=5, lr=0.3, schedule="polynomial", power=power)
    expected = library_rates(fit, 4, lambda one: torch.optim.lr_scheduler.PolynomialLR(one, 20, power=power))
    assert [learning_rate(fit, step, 4) for step in range(20)] == pytest.approx(list(expected), rel=1e-6)
    low = dataclasses.replace(fit, min_lr=0.01, warmup_epochs=1)
    found = [learning_rate(low, step, 4) for step in (0, 4, 12, 20, 21)]
    assert found == pytest.approx([0, 0.3, 0.01 + 0.29 * 0.5**power, 0.01, 0.01])
    line = dataclasses.replace(low, schedule="linear")
    straight = dataclasses.replace(low, power=1.0)
    assert [learning_rate(straight, k, 4) for k in range(20)] == [learning_rate(line, k, 4) for k in range(20)]


def test_plateau_waits_then_drops():
    plateau = Plateau(patience=2, factor=0.5)
    scales = []
    for value in (0.5, 0.5, 0.4, 0.6, 0.6, 0.6):
        plateau.observe(value)
        scales.append(plateau.scale)
    assert scales == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    other = Plateau(2, 0.5)
    other.load_state_dict(plateau.state_dict())
    assert vars(other) == vars(plateau)


def test_rate_scales_with_the_batch_from_its_reference():
    fit = FitConfig(batch_size=1280, lr=0.1, lr_reference_batch=256, schedule="step", epochs=90)
    assert peak_rate(fit) == pytest.approx(0.5)
    assert [learning_rate(fit, e * 7, 7) for e in (0, 30, 60)] == pytest.approx([0.5, 0.05, 0.005])
    assert make_optimizer([nn.Linear(2, 2)], fit).param_groups[0]["lr"] == pytest.approx(0.5)
    assert peak_rate(dataclasses.replace(fit, lr_reference_batch=0)) == 0.1
    assert peak_rate(dataclasses.replace(fit, batch_size=128)) == pytest.approx(0.05)
    for schedule in ("cosine", "linear", "constant", "plateau"):
        other = dataclasses.replace(fit, schedule=schedule, min_lr=1e-3, warmup_epochs=2.0, warmup_lr=0.01)
        assert learning_rate(other, 0, 10) == pytest.approx(0.01)
        assert learning_rate(other, 10, 10) == pytest.approx(0.255)
        assert learning_rate(other, 20, 10) == pytest.approx(0.5)
        if schedule in ("cosine", "linear"):
            assert learning_rate(other, 900, 10) == pytest.approx(1e-3)


def test_the_older_cosine_is_one_with_min_lr():
    """It went from ``lr`` to ``lr * 0.1 ** (epochs / lr_step)`` over ``epochs``, at fractional epochs."""
    lr, epochs, lr_step, steps = 0.1, 90, 30, 7
    low = lr * 0.1 ** (epochs / lr_step)
    assert low == pytest.approx(1e-4)
    fit = FitConfig(epochs=epochs, lr=lr, schedule="cosine", min_lr=low)
    for number in (0, 1, 200, epochs * steps - 1):
        old = low + (lr - low) * (1 + math.cos(math.pi * number / steps / epochs)) / 2
        assert learning_rate(fit, number, steps) == pytest.approx(old)


def test_plateau_counts_epochs_between_evaluations():
    plateau = Plateau(patience=4, factor=0.5)
    scales = []
    for value in (0.5, 0.5, 0.5, 0.5):
        plateau.observe(value, epochs=2)
        scales.append(plateau.scale)
    assert scales == [1.0, 1.0, 0.5, 0.5]
