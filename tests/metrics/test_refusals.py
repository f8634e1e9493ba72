"""What no metric may take: arrays that would broadcast in silence, no images, and settings out of range."""

import inspect

import numpy as np
import pytest

from modelheir.metrics import (
    accuracy,
    agreement,
    bayesian_update,
    calibration,
    confidence,
    ensemble,
    flips,
    front,
    graded_flips,
    outcomes,
)
from modelheir.metrics.statistics import correction, intervals, mcnemar, paired

ONE, TWO, THREE, NONE = np.zeros(1, int), np.zeros(2, int), np.zeros(3, int), np.zeros(0, int)
P = np.full((3, 2), 0.5)
TABLE = np.eye(2)
COUNTS = np.array([3, 1, 1, 0, 0])
FLIPS = np.zeros(3, bool)
BINS = [{"n": 5, "confidence": 0.9, "accuracy": 0.8}]

SHAPES = [  # one row stretches over all others unless it is refused
    (accuracy.accuracy, (ONE, THREE)),
    (accuracy.in_top_k, (P, ONE), {"k": 1}),
    (agreement.agreement, (ONE, THREE)),
    (agreement.cohen_kappa, (THREE, ONE)),
    (agreement.disagreement_in_correctness, (THREE, THREE, ONE)),
    (bayesian_update.confusion_from_labels, (ONE, THREE), {"classes": 2}),
    (bayesian_update.few_label_confusion, (ONE, THREE), {"classes": 2}),
    (bayesian_update.update_belief, (P, ONE, TABLE)),
    (bayesian_update.bayesian_update, ([THREE, ONE], [TABLE, TABLE])),
    (bayesian_update.bayesian_update, ([THREE, THREE], [TABLE, np.eye(3)])),
    (calibration.reliability_table, (np.full(3, 0.5), ONE)),
    (calibration.brier_score, (P, ONE)),
    (confidence.label_confidence, (P, ONE)),
    (confidence.max_confidence, (np.zeros(3),)),
    (ensemble.average, ([np.zeros((3, 2)), np.zeros((1, 2))],)),
    (flips.flip_rates, (ONE, THREE, THREE)),
    (graded_flips.graded_flip_rate, (FLIPS, np.zeros(1), np.zeros(3))),
    (graded_flips.graded_flip_rate, (FLIPS, np.zeros(3), np.zeros(1))),
    (graded_flips.graded_flip_rate, (FLIPS[:1], np.zeros(3), np.zeros(3))),
    (graded_flips.near_flips, (FLIPS, np.zeros(1))),
    (graded_flips.large_flips, (FLIPS, np.zeros(1))),
    (graded_flips.score_flips, (np.zeros(3), np.zeros(1))),
    (outcomes.outcomes, (THREE, ONE, THREE)),
    (outcomes.outcomes, (THREE, THREE, ONE)),
]


@pytest.mark.parametrize(("call", "arguments", "settings"), [(*case, {})[:3] for case in SHAPES])
def test_arrays_of_other_shapes(call, arguments, settings):
    with pytest.raises(ValueError, match=r"shapes? must|must have (two dimensions|shape)"):
        call(*arguments, **settings)


EMPTY = [
    (accuracy.accuracy, (NONE, NONE)),
    (agreement.cohen_kappa, (NONE, NONE)),
    (agreement.disagreement_in_correctness, (NONE, NONE, NONE)),
    (bayesian_update.few_label_confusion, (NONE, NONE), {"classes": 2}),
    (calibration.calibration_error, (np.zeros(0), NONE)),
    (flips.flip_rates, (NONE, NONE, NONE)),
    (flips.churn, (NONE, NONE)),
    (graded_flips.graded_flip_rate, (FLIPS[:0], np.zeros(0), np.zeros(0))),
    (graded_flips.score_flips, (np.zeros(0), np.zeros(0))),
    (intervals.mean_interval, (np.zeros(0),)),
    (paired.relative_nfr_interval, (np.zeros(5, int),)),
]


@pytest.mark.parametrize(("call", "arguments", "settings"), [(*case, {})[:3] for case in EMPTY])
def test_no_images(call, arguments, settings):
    with pytest.raises(ValueError, match=r"needs? at least one"):
        call(*arguments, **settings)


RANGES = [  # a setting, the last values that it may have, and the first that it may not
    (accuracy.in_top_k, (P, THREE), "k", (1, 2), (0, 3)),
    (bayesian_update.confusion_from_labels, (TWO, TWO), "smoothing", (1e-9,), (0, -1), {"classes": 2}),
    (bayesian_update.few_label_confusion, (TWO, TWO), "smoothing", (1e-9,), (0,), {"classes": 2}),
    (bayesian_update.few_label_confusion, (TWO, TWO), "classes", (2,), (1,)),
    (bayesian_update.most_uncertain, (P,), "count", (0, 3), (-1,)),
    (bayesian_update.bayesian_update, ([TWO], [TABLE]), "cost_ratio", (1.0,), (0.99,)),
    (bayesian_update.bayesian_update, ([TWO], [TABLE]), "budget", (0, 1), (-0.01, 1.01)),
    (calibration.reliability_table, (np.full(3, 0.5), THREE), "bins", (1,), (0,)),
    (graded_flips.near_flips, (FLIPS, np.zeros(3)), "threshold", (0, 1), (-0.01, 1.01)),
    (graded_flips.large_flips, (FLIPS, np.zeros(3)), "threshold", (0, 1), (-0.01, 1.01)),
    (intervals.normal_quantile, (), "confidence", (1e-9, 1 - 1e-9), (0, 1, -0.5, 1.5)),
    (intervals.exact, (1, 2), "confidence", (0.5,), (0, 1)),
    (intervals.weighted_rate, (np.ones(2),), "total", (2,), (1,)),
    (paired.paired_difference, (COUNTS,), "confidence", (0.5,), (0, 1)),
    (paired.relative_nfr_interval, (COUNTS,), "confidence", (0.5,), (0, 1)),
    (calibration.calibration_interval, (BINS,), "scale", (0.1,), (0, -1)),
    (intervals.minimal_detectable_nfr, (), "n", (1,), (0,), {"nfr": 0.1}),
    (intervals.minimal_detectable_nfr, (9,), "nfr", (0, 1), (-0.01, 1.01)),
    (intervals.minimal_detectable_nfr, (9,), "power", (0.5, 0.99), (0.49, 1), {"nfr": 0.1}),
]


@pytest.mark.parametrize(("call", "arguments", "name", "good", "bad", "beside"), [(*case, {})[:6] for case in RANGES])
def test_settings_end_where_they_say(call, arguments, name, good, bad, beside):
    for value in good:
        call(*arguments, **beside, **{name: value})
    for value in bad:
        with pytest.raises(ValueError, match=rf"{name} must be .*got {value!r}"):
            call(*arguments, **beside, **{name: value})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: correction.holm([0.5, 1.0001]), "p-values"),
        (lambda: correction.benjamini_hochberg([-1e-9]), "p-values"),
        (lambda: correction.holm([[0.5]]), "one row"),
        (lambda: mcnemar.mcnemar(2, -1), ">= 0"),
        (lambda: front.pareto_front(np.zeros((2, 3))), r"\(models, 2\), got shape \(2, 3\)"),
        (lambda: front.pareto_front(np.zeros(2)), r"got shape \(2,\)"),
        (lambda: front.hypervolume(np.zeros((1, 2)), (1, np.inf)), "two finite numbers"),
        (lambda: front.hypervolume(np.array([[np.inf, 0.0]]), (1, 1)), "finite"),
        (lambda: intervals.wilson(-1, 2), "from 0 to total"),
        (lambda: intervals.wilson(np.array([1, 3]), np.array([2, 2])), "from 0 to total"),
        (lambda: ensemble.average([ONE, ONE], weights=[2, -1]), ">= 0"),
        (lambda: ensemble.average([ONE, ONE], weights=[1, np.inf]), ">= 0"),
        (lambda: bayesian_update.bayesian_update([], []), "0 models answered but 0 confusions"),
        (lambda: bayesian_update.bayesian_update([ONE], [TABLE, TABLE]), "1 models answered but 2"),
    ],
)
def test_values_that_mean_nothing(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "usual"),
    [
        (accuracy.in_top_k, {"k": 5}),
        (accuracy.top_k_accuracy, {"k": 5}),
        (bayesian_update.confusion_from_labels, {"smoothing": 1.0}),
        (bayesian_update.few_label_confusion, {"smoothing": 1.0}),
        (bayesian_update.bayesian_update, {"strategy": "CR", "cost_ratio": 2.5, "budget": 1.0}),
        (calibration.calibration_error, {"bins": 15, "spacing": "equal_width"}),
        (calibration.reliability_table, {"bins": 15, "spacing": "equal_width"}),
        (flips.backward_error_compatibility, {"errors_of": "new"}),
        (graded_flips.near_flips, {"threshold": 0.1}),
        (graded_flips.large_flips, {"threshold": 0.5}),
        (intervals.wilson, {"confidence": 0.95}),
        (intervals.exact, {"confidence": 0.95}),
        (intervals.weighted_rate, {"confidence": 0.95}),
        (paired.paired_difference, {"confidence": 0.95}),
        (paired.relative_nfr_interval, {"confidence": 0.95}),
        (calibration.calibration_interval, {"confidence": 0.95, "scale": 1.0}),
        (intervals.mean_interval, {"confidence": 0.95, "within": (-np.inf, np.inf)}),
        (intervals.minimal_detectable_nfr, {"confidence": 0.95, "power": 0.5}),
    ],
)
def test_what_is_taken_where_nothing_is_said(call, usual):
    """Figures of one release are compared with those of the next, so a default does not move unseen."""
    given = inspect.signature(call).parameters.values()
    assert {one.name: one.default for one in given if one.default is not one.empty} == usual
