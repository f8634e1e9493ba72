import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from modelheir.checks import InputError
from modelheir.metrics.joint import JOINT_RULES, joint_logits, joint_predictions, joint_probabilities
from modelheir.types import Predictions

N, C = 7, 4


def draw(views, seed, scale=3.0):
    return list(np.random.default_rng(seed).normal(size=(views, N, C)) * scale)


def naive(logits, rule, prior):
    """A loop over rows and classes."""
    found = np.zeros((N, C))
    for row, c in itertools.product(range(N), range(C)):
        own = [softmax(view[row])[c] for view in logits]
        if rule == "mean":
            found[row, c] = sum(own) / len(own)
        else:
            found[row, c] = np.prod(own) / (prior[c] ** (len(own) - 1) if rule == "prior_product" else 1)
    return found / found.sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(0, 99), st.sampled_from(JOINT_RULES))
def test_against_a_loop_and_what_must_change_nothing(views, seed, rule):
    logits, prior = draw(views, seed), np.array([0.4, 0.3, 0.2, 0.1])
    found = joint_probabilities(logits, rule=rule, prior=prior)
    np.testing.assert_allclose(found, naive(logits, rule, prior), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    turned = joint_probabilities(logits[::-1], rule=rule, prior=5 * prior)
    np.testing.assert_allclose(turned, found, atol=1e-12)  # order of views, unit of the prior
    moved = joint_probabilities([logits[0] + 7.5, *logits[1:]], rule=rule, prior=prior)
    np.testing.assert_allclose(moved, found, atol=1e-12)
    order = np.random.default_rng(seed).permutation(N)
    shuffled = joint_probabilities([view[order] for view in logits], rule=rule, prior=prior)
    np.testing.assert_allclose(shuffled, found[order], atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(0, 99))
def test_the_largest_sum_of_logits_is_the_largest_product(views, seed):
    logits = draw(views, seed)
    total = np.sum(logits, axis=0)
    product = np.prod([softmax(view, axis=1) for view in logits], axis=0)
    assert (total.argmax(1) == product.argmax(1)).all()
    for rule in ("product", "logit_sum"):
        assert (joint_probabilities(logits, rule=rule).argmax(1) == total.argmax(1)).all()
    np.testing.assert_array_equal(joint_logits(logits, rule="logit_sum"), total)


@pytest.mark.parametrize("rule", JOINT_RULES)
def test_one_view_is_its_own_softmax(rule):
    (view,) = draw(1, 0)
    found = joint_probabilities([view], rule=rule, prior=np.arange(1.0, C + 1))
    np.testing.assert_allclose(found, softmax(view, axis=1), atol=1e-15)


def test_the_mean_can_name_another_class_than_the_product():
    views = [np.log([[0.5, 0.499, 0.001]]), np.log([[0.001, 0.499, 0.5]])]
    assert joint_probabilities(views).argmax() == 1
    views = [np.log([[0.9, 0.1]]), np.log([[0.9, 0.1]]), np.log([[0.001, 0.999]])]
    assert joint_probabilities(views, rule="mean").argmax() == 0
    assert joint_probabilities(views).argmax() == 1


def test_the_prior_counts_once_and_reaches_the_accuracy_of_bayes():
    """Two views, each a Gaussian of one unit around -1 or 1; class 1 has a tenth of the images."""
    generator, prior = np.random.default_rng(0), np.array([0.9, 0.1])
    label = (generator.random(200_000) < prior[1]).astype(int)
    x = generator.normal(size=(2, len(label))) + np.where(label, 1.0, -1.0)
    views = [np.stack([-0.5 * (one + 1) ** 2, -0.5 * (one - 1) ** 2], axis=1) + np.log(prior) for one in x]
    said = 2 * x.sum(axis=0) + np.log(prior[1] / prior[0]) > 0  # Bayes on both: the log odds
    bayes = (said == label).mean()
    found = {
        rule: (joint_probabilities(views, rule=rule, prior=prior).argmax(1) == label).mean() for rule in JOINT_RULES
    }
    assert found["prior_product"] == bayes
    assert max(found["product"], found["mean"]) < bayes - 0.004
    exact = 1 / (1 + np.exp(-2 * x.sum(axis=0) - np.log(prior[1] / prior[0])))
    np.testing.assert_allclose(joint_probabilities(views, rule="prior_product", prior=prior)[:, 1], exact, atol=1e-12)


def test_far_logits_stay_numbers():
    views = [np.array([[0.0, -999.0, -2000.0]]), np.array([[-3000.0, 0.0, -1.0]], np.float32)]
    assert joint_probabilities(views).round(6).tolist() == [[0.0, 1.0, 0.0]]
    assert np.isfinite(joint_logits(views, rule="mean")).all()
    low = joint_probabilities([np.full((1, 2), 9e4, np.float32)] * 2, rule="logit_sum")
    assert low.tolist() == [[0.5, 0.5]]


def test_errors():
    view = np.zeros((N, C))
    with pytest.raises(ValueError, match="at least one view"):
        joint_probabilities([])
    with pytest.raises(ValueError, match=r"shapes must be equal: view 0 is \(7, 4\), view 1 is \(7, 3\)"):
        joint_probabilities([view, view[:, :3]])
    with pytest.raises(InputError, match="Did you mean 'product'"):
        joint_probabilities([view], rule="products")
    with pytest.raises(ValueError, match="view 1 has logits that are not numbers"):
        joint_probabilities([view, view * np.nan])
    with pytest.raises(ValueError, match="needs the class frequencies"):
        joint_probabilities([view], rule="prior_product")
    for prior in ([0.5, 0.5], [1, 1, 1, 0], [1, 1, 1, np.nan]):
        with pytest.raises(ValueError, match="prior must be 4 numbers above 0"):
            joint_probabilities([view, view], rule="prior_product", prior=np.array(prior))


def said(seed, order=None, turn=None, probabilities=False):
    """Predictions of one view; ``order`` of rows and ``turn`` of columns as a file of its own may have them."""
    logits, label = draw(1, seed)[0], np.arange(N) % C
    order, turn = np.arange(N) if order is None else order, np.arange(C) if turn is None else np.array(turn)
    logits, label = logits[order][:, turn], np.argsort(turn)[label[order]]
    classes, ids = tuple("abcd"[number] for number in turn), np.array([f"i{row}" for row in order])
    if probabilities:
        p = softmax(logits, axis=1)
        return Predictions(ids, label, p.argmax(1), probabilities=p, classes=classes)
    return Predictions(ids, label, logits.argmax(1), logits=logits, classes=classes)


@pytest.mark.parametrize("probabilities", [False, True])
def test_views_in_files_are_joined_by_id_and_class_name(probabilities):
    order = np.random.default_rng(1).permutation(N)
    views = [said(0), said(1, order, turn=[2, 0, 3, 1], probabilities=probabilities)]
    found = joint_predictions(views, rule="prior_product", prior=np.arange(1.0, C + 1))
    expected = joint_probabilities(
        [draw(1, seed)[0] for seed in (0, 1)], rule="prior_product", prior=np.arange(1.0, C + 1)
    )
    np.testing.assert_allclose(softmax(found.logits, axis=1), expected, atol=1e-12)
    assert found.prediction.tolist() == expected.argmax(1).tolist()
    assert found.sample_id.tolist() == views[0].sample_id.tolist()
    assert (found.classes, found.probabilities) == (tuple("abcd"), None)


def test_views_of_other_images_or_without_scores_are_refused():
    one = said(0)
    shifted = dataclasses.replace(one, sample_id=np.roll(one.sample_id, 1))
    with pytest.raises(InputError, match="right has another label than left for 7 images"):
        joint_predictions([one, shifted], names=["left", "right"])
    with pytest.raises(InputError, match="member 2 lacks 1 sample ids"):
        joint_predictions([one, dataclasses.replace(one, sample_id=np.array([*one.sample_id[:-1], "other"]))])
    with pytest.raises(InputError, match="member 2 has neither logits nor probabilities"):
        joint_predictions([one, dataclasses.replace(one, logits=None)])
