import dataclasses

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.metrics.ensemble import average, ensemble_predictions, probabilities_of
from modelheir.metrics.unknown_classes import unknown_classes
from modelheir.types import Predictions

N, C = 6, 4


def make(seed, shuffle=False):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(N, C)).astype(np.float32)
    found = Predictions(np.array(list("abcdef")), np.arange(N) % C, logits.argmax(1), logits)
    if not shuffle:
        return found
    order = rng.permutation(N)
    return Predictions(found.sample_id[order], found.label[order], found.prediction[order], found.logits[order])


def test_the_weighted_mean_uses_every_weight():
    members = [np.full((2, 3), 3.0), np.zeros((2, 3))]
    assert (average(members, weights=[2, 1]) == 2).all()  # ignoring the first weight would give 1
    np.testing.assert_allclose(average(members, weights=[1, 3]), 0.75)


def test_logits_and_probabilities_can_disagree():
    ids, label = np.array(["a"]), np.array([0])
    sure = Predictions(ids, label, np.array([0]), np.array([[9.0, 0.0, 0.0]]))
    torn = Predictions(ids, label, np.array([1]), np.array([[-9.0, 0.5, 0.0]]))
    assert ensemble_predictions([sure, torn]).prediction.tolist() == [1]
    assert ensemble_predictions([sure, torn], by="probabilities").prediction.tolist() == [0]


def test_rows_are_joined_by_id_in_the_order_of_the_first():
    first, second = make(0), make(1, shuffle=True)
    found = ensemble_predictions([first, second])
    np.testing.assert_allclose(found.logits, (first.logits + make(1).logits) / 2, rtol=1e-6)
    assert found.sample_id.tolist() == list("abcdef")
    np.testing.assert_array_equal(found.prediction, found.logits.argmax(1))
    together = ensemble_predictions([first, second], by="probabilities")
    assert together.logits is None
    np.testing.assert_allclose(together.probabilities.sum(1), 1)
    np.testing.assert_allclose(together.probabilities, (probabilities_of(first) + probabilities_of(make(1))) / 2)


@pytest.mark.parametrize("by", ["logits", "probabilities"])
def test_classes_are_matched_by_name_in_any_order(by):
    first, second = dataclasses.replace(make(0), classes=tuple("abcd")), make(1)
    turn = [3, 1, 0, 2]  # the columns of the second file, by the first one's numbers
    turned = dataclasses.replace(
        second,
        label=np.argsort(turn)[second.label],
        prediction=np.argsort(turn)[second.prediction],
        logits=second.logits[:, turn],
        classes=tuple("abcd"[number] for number in turn),
    )
    found, expected = (ensemble_predictions([first, one], by=by) for one in (turned, second))
    values = [one.logits if by == "logits" else one.probabilities for one in (found, expected)]
    np.testing.assert_allclose(*values, rtol=1e-6)
    assert found.classes == first.classes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": np.zeros(N, int)}, r"member 2 has another label than member 1 for 4 images \(b, c, d, f\)"),
        ({"logits": None}, "no logits"),
        ({"logits": np.zeros((N, 3))}, "has 3 classes"),
        ({"sample_id": np.array(list("abcdex"))}, "lacks 1 sample ids"),
        ({"classes": tuple("bacx")}, r"do not name the same classes \(only one of them has d, x\)"),
    ],
)
def test_members_that_do_not_fit(change, words):
    first = dataclasses.replace(make(0), classes=tuple("abcd"))
    with pytest.raises(InputError, match=words):
        ensemble_predictions([first, dataclasses.replace(make(1), **change)])


def test_errors():
    with pytest.raises(InputError, match=r"Did you mean 'logits'"):
        ensemble_predictions([make(0)], by="logit")
    with pytest.raises(ValueError, match="1 weights were given for 2"):
        average([np.zeros((1, 1))] * 2, weights=[1])
    with pytest.raises(ValueError, match="not all 0"):
        average([np.zeros((1, 1))] * 2, weights=[0, 0])
    with pytest.raises(ValueError, match="at least one member"):
        average([])
    with pytest.raises(InputError, match="neither logits nor probabilities"):
        probabilities_of(dataclasses.replace(make(0), logits=None))


def test_models_that_do_not_know_the_same_classes_are_averaged_by_probabilities_only():
    """The logit of an unknown class stands for minus infinity: an average of it and a number means nothing."""
    ids, label, names = np.array(["a", "b"]), np.array([0, 2]), ("x", "y", "z")
    knows = np.array([[2.0, 1.0, 0.0], [0.0, 0.5, 3.0]], np.float32)
    lacks = np.array([[2.0, 1.0, -999.0], [0.3, 0.5, -999.7]], np.float32)

    def said(logits):
        return Predictions(ids, label, logits.argmax(1), logits=logits, classes=names)

    with pytest.raises(InputError, match=r"do not know the same classes \(only one of them knows z\)"):
        ensemble_predictions([said(knows), said(lacks)])
    mean = ensemble_predictions([said(knows), said(lacks)], by="probabilities").probabilities
    assert mean[1, 2] == pytest.approx(np.exp(3) / (1 + np.exp(0.5) + np.exp(3)) / 2, rel=1e-6)
    both = ensemble_predictions([said(lacks), said(lacks + np.float32(1))])
    assert unknown_classes(both.logits, names) == ("z",)


def test_what_is_kept_of_the_members():
    first = dataclasses.replace(make(0), classes=tuple("abcd"), columns={"site": np.arange(N)})
    found = ensemble_predictions([first, make(1)], weights=[3, 1])
    assert found.classes == tuple("abcd")
    assert found.columns["site"].tolist() == list(range(N))
    assert found.label.tolist() == first.label.tolist()
    assert found.prediction.dtype == np.int64
    assert found.probabilities is None
    np.testing.assert_allclose(found.logits, (3 * first.logits + make(1).logits) / 4, rtol=1e-6)
    alone = ensemble_predictions([first, make(1)], weights=[1, 0])
    np.testing.assert_allclose(alone.logits, first.logits, rtol=1e-6)


def test_members_by_the_names_they_are_called():
    with pytest.raises(InputError, match=r"^new has another label than old for 6 images \(a, b, c, d, e, \.\.\.\)"):
        ensemble_predictions([make(0), dataclasses.replace(make(1), label=make(1).label + 1)], names=["old", "new"])
    with pytest.raises(InputError, match="new has neither logits nor probabilities"):
        ensemble_predictions(
            [make(0), dataclasses.replace(make(1), logits=None)], names=["old", "new"], by="probabilities"
        )
    given = dataclasses.replace(make(0), probabilities=np.full((N, C), 0.25))
    assert (probabilities_of(given) == 0.25).all()
    assert (average([np.ones(2), np.zeros(2)]) == 0.5).all()
