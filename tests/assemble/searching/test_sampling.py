"""Draws by optuna: inside the space, never twice, the same again after a stop."""

import pytest

from modelheir.assemble.searching.trial import Trial
from modelheir.config.search import Listed, Range

pytest.importorskip("optuna", reason="optuna is missing: pip install 'modelheir[search]'")
pytestmark = pytest.mark.extras

SPACE = {
    "fit.lr": Range(0.001, 0.1, log=True),
    "fit.epochs": Range(2, 9, whole=True),
    "fit.lr_multipliers": Listed(((), (0.0, 1.0))),
}
GIVEN = {"fit.lr": 0.0, "fit.epochs": 4, "fit.lr_multipliers": ()}


def draw(strategy, trials, seed=0, space=SPACE, given=GIVEN):
    from modelheir.assemble.searching.sampling import next_drawn

    return next_drawn(strategy, space, given, trials, seed=seed)


def some(strategy, count, seed=0, score=lambda changes: changes["fit.lr"]):
    trials = [Trial(0, {}, "finished", 0.0)]
    while len(trials) <= count:
        changes = draw(strategy, trials, seed)
        trials.append(Trial(len(trials), changes, "finished", score(changes)))
    return trials


@pytest.mark.parametrize("strategy", ["random", "tpe"])
def test_draws_lie_in_the_space_and_come_again(strategy):
    trials = some(strategy, 8)
    for trial in trials[1:]:
        assert 0.001 <= trial.changes["fit.lr"] <= 0.1
        assert trial.changes["fit.epochs"] in range(2, 10)
        assert isinstance(trial.changes["fit.epochs"], int)
        assert trial.changes["fit.lr_multipliers"] in ((), (0.0, 1.0))
    assert draw(strategy, trials[:5]) == trials[5].changes  # as after a stop
    assert some(strategy, 3, seed=1)[1].changes != trials[1].changes


def test_a_small_space_is_tried_once_and_then_at_an_end():
    space, given = {"fit.epochs": Listed((1, 2, 3))}, {"fit.epochs": 2}
    trials = [Trial(0, {}, "finished", 0.5)]
    while (changes := draw("random", trials, space=space, given=given)) is not None:
        trials.append(Trial(len(trials), changes, "finished", 0.5))
    assert sorted(trial.changes.get("fit.epochs", 2) for trial in trials) == [1, 2, 3]


def test_tpe_learns_where_random_does_not():
    """After forty trials the mean rate of the last ten is nearer to the best end."""
    mean = {name: sum(trial.changes["fit.lr"] for trial in some(name, 40)[-10:]) / 10 for name in ("random", "tpe")}
    assert mean["tpe"] > 1.5 * mean["random"]


def test_failed_trials_are_left_out(monkeypatch):
    trials = [Trial(0, {}, "failed"), Trial(1, {"fit.lr": 0.01, "fit.epochs": 3}, "failed")]
    assert draw("tpe", trials) == draw("tpe", [*trials])


def test_optuna_is_as_loud_as_before():
    import optuna

    before = optuna.logging.get_verbosity()
    draw("random", [Trial(0, {}, "finished", 0.1)])
    assert optuna.logging.get_verbosity() == before
