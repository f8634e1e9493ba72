"""What is chosen where a training setting is left open."""

import pytest

from modelheir.config.fit import FitConfig, choose, decay


@pytest.mark.parametrize(
    ("images", "batch"), [(0, 32), (1_259, 32), (25_599, 32), (25_600, 64), (102_399, 64), (102_400, 128)]
)
def test_small_sets_are_cut_into_small_batches(images, batch):
    assert choose(FitConfig(), images=images, small=True, trained=False).batch_size == batch


@pytest.mark.parametrize(("optimizer", "top"), [("adamw", 0.01), ("adam", 0.01), ("rmsprop", 0.01), ("sgd", 0.1)])
def test_large_networks_and_trained_weights_move_with_a_tenth_of_the_rate_each(optimizer, top):
    fit = FitConfig(optimizer=optimizer)
    rates = [choose(fit, images=99, small=s, trained=t).lr for s, t in ((True, False), (False, False), (False, True))]
    assert rates == pytest.approx([top, top / 10, top / 100])
    assert choose(fit, images=99, small=True, trained=True).lr == rates[1]


def test_what_is_given_stays():
    given = FitConfig(batch_size=7, lr=0.3, head_multiplier=2.0, weight_decay=0.0, optimizer="sgd")
    assert choose(given, images=10**6, small=False, trained=True) == given
    once = choose(FitConfig(), images=30_000, small=True, trained=False)
    assert choose(once, images=10, small=False, trained=True) == once


@pytest.mark.parametrize(
    "said", [{}, {"lr": 0.001}, {"lr_multipliers": (0.1, 1.0)}, {"layer_decay": 0.5}, {"head_multiplier": 3.0}]
)
def test_a_new_classifier_learns_at_the_rate_of_new_weights_unless_a_rate_is_given(said):
    """Ten times that of the trained weights below it, which is what new weights get."""
    fit = FitConfig(**said)
    found = choose(fit, images=99, small=True, trained=True, new_head=True)
    assert found.head_multiplier == (said.get("head_multiplier", 1.0) if said else 10.0)
    if not said:
        whole = choose(fit, images=99, small=True, trained=False, new_head=True)
        assert (whole.lr, whole.head_multiplier) == (pytest.approx(found.lr * 10), 1.0)
    assert choose(found, images=99, small=True, trained=True) == found  # what the run folder keeps repeats it
    usual = choose(fit, images=99, small=True, trained=True)
    assert usual.head_multiplier == said.get("head_multiplier", 1.0)
    assert choose(usual, images=99, small=True, trained=True, new_head=True) == usual


def test_coupled_decay_is_smaller():
    assert [decay(FitConfig(optimizer=name)) for name in ("adamw", "adam", "sgd")] == [0.01, 5e-4, 5e-4]
    assert decay(FitConfig(optimizer="sgd", weight_decay=0.2)) == 0.2
