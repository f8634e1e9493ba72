import dataclasses

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import chi2, norm

from modelheir.analysis import scores
from modelheir.analysis.compare import compare
from modelheir.analysis.pairing import pair_up
from modelheir.metrics.calibration import brier_score, calibration_error
from modelheir.types import Predictions


def test_against_whole_matrices(make, monkeypatch):
    monkeypatch.setattr(scores, "_VALUES", 35)  # several blocks
    old, new = make(1), make(2, order=3)
    found = compare(old, new)
    straight, label = make(2), old.label
    p_old, p_new = softmax(old.logits.astype(float), axis=1), softmax(straight.logits.astype(float), axis=1)
    at = np.arange(len(label)), label
    for side, p, said in (("old", p_old, old.prediction), ("new", p_new, straight.prediction)):
        table = found["calibration"][side]
        assert table["error"] == pytest.approx(calibration_error(p.max(1), said == label))
        assert table["brier"] == pytest.approx(brier_score(p, label).mean())
        assert table["nll"] == pytest.approx(-np.log(p[at]).mean())
        assert table["mean_label_confidence"] == pytest.approx(p[at].mean())
        assert sum(row["n"] for row in found["reliability"][side]) == len(label)
    lost = (old.prediction == label) & (straight.prediction != label)
    drop = p_old[at] - p_new[at]
    graded = found["graded"]
    assert graded["nfr_graded"] == pytest.approx((lost * (p_new.max(1) - p_new[at])).mean())
    assert graded["label_confidence_drop"] == pytest.approx(drop.mean())
    assert graded["near_negative_flips"]["n"] == (lost & (abs(drop) <= 0.1)).sum()
    assert graded["large_negative_flips"]["n"] == (lost & (abs(drop) >= 0.5)).sum()
    for name, threshold in (("near", 0.1), ("large", 0.5)):
        table = graded[f"{name}_negative_flips"]
        assert (table["threshold"], table["rate"]) == (threshold, table["n"] / len(label))
    low, high = graded["nfr_graded_interval"]
    assert low < graded["nfr_graded"] < high
    together = (old.logits.astype(float) + straight.logits).argmax(1)
    assert found["ensemble"]["by"] == "logits"
    assert found["ensemble"]["accuracy"] == (together == label).mean()
    assert found["ensemble"]["nfr"] == ((old.prediction == label) & (together != label)).mean()


def test_probabilities_alone_average_as_probabilities(make):
    old, new = make(1, scores="probabilities"), make(2)
    found = compare(old, new)
    p = softmax(new.logits.astype(float), axis=1) + old.probabilities
    assert found["ensemble"]["by"] == "probabilities"
    assert found["ensemble"]["accuracy"] == (p.argmax(1) == old.label).mean()


def test_graded_rates_stay_rates(make):
    old = make(1, strength=20.0)
    logits = old.logits.copy()
    logits[7] = -logits[7]  # one negative flip and no positive one
    graded = compare(old, dataclasses.replace(old, logits=logits, prediction=logits.argmax(1)))["graded"]
    assert 0 < graded["nfr_graded"] <= 1 / 120
    low, high = graded["nfr_graded_interval"]
    assert 0 < low < graded["nfr_graded"] < high < 1
    assert graded["pfr_graded_interval"] == [0, pytest.approx(-np.log(0.025) / 120)]  # a Poisson count of none


def test_one_model_without_scores(make):
    found = compare(make(1, scores="none"), make(2))
    assert set(found["calibration"]) == {"new"}
    assert set(found["graded"]) == {"nfr_graded", "nfr_graded_interval"}
    assert "ensemble" not in found
    bare = compare(make(1, scores="none"), make(2, scores="none"))
    assert not {"calibration", "graded", "ensemble", "reliability"} & set(bare)


def test_classes_in_another_order_give_the_same_numbers(make):
    names = tuple("abcde")
    old, new = make(1, classes=names), make(2, classes=names)
    turn = np.array([3, 1, 4, 0, 2])  # the new file lists the classes in another order
    back = np.argsort(turn)
    other = dataclasses.replace(
        new,
        label=back[new.label],
        prediction=back[new.prediction],
        logits=new.logits[:, turn],
        classes=tuple(names[k] for k in turn),
    )
    first, second = compare(old, new), compare(old, other)
    for key in ("accuracy_new", "nfr", "pfr", "churn"):
        assert first[key] == second[key]
    for key in ("nfr_graded", "pfr_graded", "label_confidence_drop"):
        assert first["graded"][key] == pytest.approx(second["graded"][key])
    assert first["calibration"]["new"] == pytest.approx(second["calibration"]["new"])
    assert second["ensemble"]["by"] == "probabilities"


def test_a_model_that_knows_fewer_classes(make):
    old, new = make(1), make(2)
    narrow = dataclasses.replace(old, logits=old.logits[:, :3], prediction=old.logits[:, :3].argmax(1))
    found = compare(narrow, new)
    assert found["calibration"]["old"]["nll"] > 100  # it gives no probability to classes it does not know
    assert found["ensemble"]["by"] == "probabilities"
    pair = pair_up(narrow, new)
    assert pair.count == 5


@pytest.mark.parametrize("classes", [5, 6, 9])
def test_top_five_where_there_are_more_classes(classes, monkeypatch):
    monkeypatch.setattr(scores, "_VALUES", 10 * classes)  # several blocks
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(40, classes)), rng.integers(0, classes, 40)
    said = Predictions(np.arange(40).astype(str), label, logits.argmax(1), logits)
    found = compare(said, said)["calibration"]["old"].get("top5_accuracy")
    expected = np.mean([y in np.argsort(-row)[:5] for row, y in zip(logits, label, strict=True)])
    assert found == (expected if classes > 5 else None)


def test_calibration_over_as_many_bins_as_asked_for(make):
    """Bins of equal width, and of equal count: here 120 images in 4."""
    old = make(1)
    found = compare(old, make(2), bins=4)
    sure, right = softmax(old.logits.astype(float), axis=1).max(1), old.prediction == old.label
    width = [(sure > low) & (sure <= low + 0.25) for low in (0, 0.25, 0.5, 0.75)]
    count = np.array_split(np.argsort(sure), 4)
    table = found["calibration"]["old"]
    for name, bins in (("error", width), ("error_equal_mass", count)):
        gaps = [abs(sure[rows].sum() - right[rows].sum()) for rows in bins]
        assert table[name] == pytest.approx(sum(gaps) / 120)
    assert table["bins"] == 4
    assert [row["n"] for row in found["reliability"]["old"] if row["n"]] == [rows.sum() for rows in width if rows.any()]


def test_intervals_of_graded_rates_have_the_confidence_asked_for(make):
    old, new = make(1), make(2)
    graded = compare(old, new, confidence=0.8)["graded"]
    at = np.arange(120), old.label
    p_old, p_new = (softmax(one.logits.astype(float), axis=1) for one in (old, new))
    lost = (old.prediction == old.label) & (new.prediction != old.label)
    drop, weights = p_old[at] - p_new[at], (p_new.max(1) - p_new[at])[lost]
    half = norm.ppf(0.9) * drop.std(ddof=1) / 120**0.5
    assert graded["label_confidence_drop_interval"] == pytest.approx([drop.mean() - half, drop.mean() + half])
    y, v = weights.sum(), (weights**2).sum()  # Fay and Feuer, 1997
    low, high = v / (2 * y) * chi2.ppf(0.1, 2 * y * y / v), 0.0
    high = (v + 1) / (2 * (y + 1)) * chi2.ppf(0.9, 2 * (y + 1) ** 2 / (v + 1))
    assert graded["nfr_graded_interval"] == pytest.approx([low / 120, high / 120])


def test_no_end_of_a_graded_rate_lies_outside_what_it_can_be():
    """Two images, of which one goes from sure and right to sure and wrong: an interval of counts would reach past 1."""
    good, bad = (np.array([[0.0, 50.0], [top, 50.0 - top]]) for top in (50.0, 0.0))
    good, bad = (Predictions(np.array(["a", "b"]), np.array([1, 0]), p.argmax(1), p) for p in (good, bad))
    lost, won = compare(good, bad)["graded"], compare(bad, good)["graded"]
    assert lost["nfr_graded"] == lost["label_confidence_drop"] == pytest.approx(0.5)
    assert lost["nfr_graded_interval"] == won["pfr_graded_interval"]
    assert lost["nfr_graded_interval"][0] > 0
    assert lost["nfr_graded_interval"][1] == 1
    assert lost["label_confidence_drop_interval"][1] == 1
    assert won["label_confidence_drop_interval"][0] == -1


def test_a_block_holds_so_many_scores_and_at_least_one_image(monkeypatch):
    monkeypatch.setattr(scores, "_VALUES", 20)
    for classes, sizes in ((5, [4, 4, 2]), (7, [2] * 5), (50, [1] * 10)):
        parts = [np.arange(10)[rows] for rows in scores._blocks(10, classes)]
        assert [len(part) for part in parts] == sizes
        assert np.concatenate(parts).tolist() == list(range(10))


def test_logits_are_not_averaged_where_one_model_does_not_know_a_class(make):
    """One file names the classes; the old model's column of class c stands where no class is ever said."""
    old, new = make(1, classes=tuple("abcde")), make(2)
    logits = old.logits.copy()
    logits[:, 2] = logits.min() - 1000
    narrow = dataclasses.replace(old, logits=logits, prediction=logits.argmax(1))
    assert compare(narrow, new)["ensemble"]["by"] == compare(new, narrow)["ensemble"]["by"] == "probabilities"
    assert compare(narrow, dataclasses.replace(narrow, classes=None))["ensemble"]["by"] == "logits"
