"""What is tried does not depend on how many processes try, nor on which of them is quicker."""

import importlib.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.assemble.searching.strategies import accept, in_words, next_changes, usual_trials
from modelheir.assemble.searching.trial import Trial
from modelheir.checks import InputError
from modelheir.config.search import Listed, Range

SPACE = {"fit.lr": Listed((1, 2, 3)), "inputs.erase": Listed((0.0, 0.1, 0.2)), "fit.weight_decay": Listed((5, 6))}
GIVEN = {"fit.lr": 2, "inputs.erase": 0.0, "fit.weight_decay": 7}
DRAWN = [
    pytest.param(name, marks=pytest.mark.extras)
    for name in ("random", "hyperband")
    if importlib.util.find_spec("optuna")
]


def search(strategy, workers, pick, seed=3, limit=25):
    """Let some workers try; ``pick`` says which of those in training is done next."""
    trials, running = [], []
    while True:
        while len(running) < workers and len(trials) < limit:
            changes = next_changes(strategy, SPACE, GIVEN, trials, seed=seed, epochs=9)
            if changes is None:
                break
            running.append(len(trials))
            trials.append(Trial(len(trials), changes, "running"))
        if not running:
            return trials
        number = running.pop(pick(len(running)))
        changes = trials[number].changes
        values = {**GIVEN, **changes}
        score = values["fit.lr"] * (1 + values["inputs.erase"]) + values["fit.weight_decay"]
        failed = values["fit.lr"] == 3 and values["inputs.erase"] == 0.1
        trials[number] = Trial(number, changes, "failed" if failed else "finished", None if failed else score)


@pytest.mark.parametrize("strategy", ["greedy", "grid", *DRAWN])
@given(st.integers(2, 4), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=4)
def test_several_processes_try_what_one_does(strategy, workers, random):
    alone = search(strategy, 1, lambda count: 0)
    assert search(strategy, workers, random.randrange) == alone
    assert len(alone) > 6


def test_how_many_there_are():
    assert (usual_trials("grid", SPACE, 9), usual_trials("greedy", SPACE, 9), usual_trials("tpe", SPACE, 9)) == (
        18, 20, 20,
    )  # fmt: skip
    assert usual_trials("hyperband", SPACE, 9) == 22
    assert in_words("tpe", SPACE, 9) == ""


@pytest.mark.parametrize("strategy", ["grid", "greedy"])
def test_a_range_is_refused_where_lists_are_gone_through(strategy):
    with pytest.raises(InputError, match=f"the {strategy} strategy goes through lists"):
        accept(strategy, {"fit.lr": Range(0.1, 0.2)})


def test_hyperband_decides_the_epochs_itself():
    with pytest.raises(InputError, match="is what hyperband raises"):
        accept("hyperband", {"fit.epochs": Listed((1, 2))})
