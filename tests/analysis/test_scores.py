import dataclasses

import numpy as np
import pytest
from scipy.special import softmax

from modelheir.analysis import scores
from modelheir.analysis.compare import compare
from modelheir.analysis.pairing import pair_up
from modelheir.metrics.calibration import brier_score, calibration_error


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


def test_top_five_where_there_are_more_classes():
    from modelheir.types import Predictions

    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(40, 9)), rng.integers(0, 9, 40)
    said = Predictions(np.arange(40).astype(str), label, logits.argmax(1), logits)
    found = compare(said, said)["calibration"]["old"]["top5_accuracy"]
    assert found == np.mean([y in np.argsort(-row)[:5] for row, y in zip(logits, label, strict=True)])
