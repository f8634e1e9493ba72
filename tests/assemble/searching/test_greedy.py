"""The greedy strategy: the documents' order, each setting keeping the best so far."""

import pytest

from modelheir.assemble.searching.greedy import in_order, most_trials, next_greedy
from modelheir.assemble.searching.trial import Trial
from modelheir.checks import InputError
from modelheir.config.search import Listed, Range

#: the values of the documents' search, and what they are as given
SPACE = {
    "method.teacher": Listed((("run:large",), ("run:small",))),
    "fit.lr_multipliers": Listed(((), (0.0, 0.4, 0.4, 0.8, 0.8, 1.0), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))),
    "inputs.erase": Listed((0.0, 0.1, 0.5)),
    "inputs.policy_magnitude": Listed((5, 9)),
    "inputs.image_size": Listed((176, 192, 224)),
    "fit.lr": Listed((0.0075, 0.01, 0.0125)),
}
GIVEN = {
    "method.teacher": ("run:large",), "fit.lr_multipliers": (), "inputs.erase": 0.0, "inputs.policy_magnitude": 9,
    "inputs.image_size": 224, "fit.lr": 0.01,
}  # fmt: skip
BEST = {**GIVEN, "fit.lr": 0.0125, "inputs.erase": 0.1, "method.teacher": ("run:small",)}


def search(score, space=SPACE, given=GIVEN):
    """Run a whole search on a function of the settings; return its trials."""
    trials = [Trial(0, {}, "finished", score(given))]
    while (changes := next_greedy(space, given, trials)) is not None:
        value = score({**given, **changes})
        trials.append(Trial(len(trials), changes, "failed" if value is None else "finished", value))
    return trials


def agreement(values):
    return sum(values[key] == BEST[key] for key in BEST) / len(BEST)


def test_the_order_is_that_of_the_documents():
    """SD-57: rate, resolution, RandAugment, erasing, multipliers, then the teacher."""
    wanted = ["fit.lr", "inputs.image_size", "inputs.policy_magnitude", "inputs.erase", "fit.lr_multipliers"]
    assert in_order(SPACE) == [*wanted, "method.teacher"]


def test_each_setting_keeps_the_best_so_far():
    """The oracle is a loop over the settings that looks at nothing but its own best."""
    kept, tried = dict(GIVEN), [GIVEN]
    for key in in_order(SPACE):
        rows = [{**kept, key: value} for value in SPACE[key].values]
        tried += [row for row in rows if row not in tried]
        kept = max([kept, *rows], key=agreement)
    trials = search(agreement)
    assert [{**GIVEN, **trial.changes} for trial in trials] == tried
    assert kept == BEST == {**GIVEN, **trials[-1].changes}
    assert len(trials) <= most_trials(SPACE)


def test_no_value_replaces_what_was_given_that_is_not_better():
    trials = search(lambda values: 0.5)
    assert all(len(trial.changes) == 1 for trial in trials[1:])


def test_a_trial_that_failed_is_not_kept_and_not_tried_again():
    trials = search(lambda values: None if values["fit.lr"] == 0.0125 else agreement(values))
    assert [trial.changes.get("fit.lr") for trial in trials].count(0.0125) == 1
    assert trials[-1].changes == {"inputs.erase": 0.1, "method.teacher": ("run:small",)}


def test_values_beside_those_listed_are_kept_where_they_are_best():
    """The settings as given need not be among the values."""
    trials = search(lambda values: -abs(values["fit.lr"] - 0.011), {"fit.lr": Listed((0.1, 0.2))}, {"fit.lr": 0.01})
    assert [trial.changes for trial in trials] == [{}, {"fit.lr": 0.1}, {"fit.lr": 0.2}]


def test_a_range_is_refused():
    with pytest.raises(InputError, match=r"fit\.lr is given by a range, and the greedy strategy goes through lists"):
        in_order({"fit.lr": Range(0.1, 0.2)})
