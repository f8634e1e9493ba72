"""Hyperband: the table of the paper, successive halving as a plain loop, and a small space."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.assemble.searching.hyperband import EPOCHS, brackets, check_free, next_hyperband, trainings
from modelheir.assemble.searching.trial import Trial
from modelheir.checks import InputError
from modelheir.config.search import Listed


def drawing(most=1000):
    """Draw one setting after another until there are ``most``."""
    return lambda drawn: {"fit.lr": len(drawn)} if len(drawn) < most else None


def run(epochs, score, most=1000):
    """Run a whole search on a function of the setting and the epochs; return its trials."""
    trials = []
    while (changes := next_hyperband(trials, epochs, drawing(most))) is not None:
        value = score(changes["fit.lr"], changes[EPOCHS])
        trials.append(Trial(len(trials), changes, "failed" if value is None else "finished", value))
    return trials


def rows(trials):
    return [(trial.changes["fit.lr"], trial.changes[EPOCHS]) for trial in trials]


def test_the_brackets_are_the_papers():
    """Table 1 of the paper: R = 81, eta = 3."""
    assert brackets(81) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]
    assert brackets(1) == [[(1, 1)]]
    assert brackets(30)[0] == [(27, 1), (9, 3), (3, 10), (1, 30)]


@given(st.integers(1, 30), st.permutations(range(60)), st.integers(1, 60))
@settings(deadline=None, max_examples=30)
def test_it_is_successive_halving(epochs, order, most):
    """The oracle fills each rung at once; a longer training keeps the order of the settings."""
    wanted, drawn = [], 0
    for rungs in brackets(epochs):
        here = list(range(drawn, min(drawn + rungs[0][0], most)))
        drawn += len(here)
        size = len(here)
        for place, (_, length) in enumerate(rungs):
            wanted += [(setting, length) for setting in here]
            here = sorted(here, key=lambda one: -order[one])[: max(1, size // 3 ** (place + 1))]
    trials = run(epochs, lambda setting, length: order[setting] + length / 100, most)
    assert rows(trials) == wanted
    assert len(trials) <= trainings(epochs)


def test_a_setting_that_fails_does_not_go_on_and_equal_ones_go_on_in_order():
    trials = run(3, lambda setting, length: None if setting == 0 else 0.5)
    assert rows(trials) == [(0, 1), (1, 1), (2, 1), (1, 3), (3, 3), (4, 3)]
    assert rows(run(3, lambda setting, length: None)) == [(0, 1), (1, 1), (2, 1), (3, 3), (4, 3)]


def test_a_rung_waits_for_the_one_before():
    trials = [Trial(number, {"fit.lr": number, EPOCHS: 1}, "finished", 0.1 * number) for number in range(2)]
    running = Trial(2, {"fit.lr": 2, EPOCHS: 1}, "running")
    assert next_hyperband(trials, 3, drawing()) == {"fit.lr": 2, EPOCHS: 1}
    assert next_hyperband([*trials, running], 3, drawing()) is None


def test_the_epochs_are_its_own():
    with pytest.raises(InputError, match=r"fit\.epochs is what hyperband raises from rung to rung"):
        check_free({EPOCHS: Listed((1, 2))})
