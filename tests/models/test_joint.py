"""Joint predictions against loops over rows: products, means, the frequencies of the classes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.models.joint import RULES, joint_logits


def drawn(seed, views=3, rows=4, classes=5):
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.randn(rows, classes, generator=generator, dtype=torch.float64) for _ in range(views)]


def by_hand(logits, rule, prior):
    found = []
    for row in range(len(logits[0])):
        said = [np.exp(one[row].numpy()) / np.exp(one[row].numpy()).sum() for one in logits]
        if rule == "mean":
            found.append(sum(said) / len(said))
            continue
        total = math.prod(said)
        total = total / prior ** (len(said) - 1) if rule == "prior_product" else total
        found.append(total / total.sum())
    return np.array(found)


@settings(deadline=None)
@given(seed=st.integers(0, 99), rule=st.sampled_from(RULES), views=st.integers(1, 4))
def test_probabilities_are_those_by_hand_and_sum_to_one(seed, rule, views):
    logits, prior = drawn(seed, views), torch.tensor([0.4, 0.3, 0.1, 0.1, 0.1], dtype=torch.float64)
    found = joint_logits(logits, rule, prior).exp().numpy()
    np.testing.assert_allclose(found, by_hand(logits, rule, prior.numpy()), rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(found.sum(1), 1)


@settings(deadline=None)
@given(seed=st.integers(0, 99))
def test_a_sum_of_logits_is_the_product_and_the_order_of_views_or_a_constant_change_nothing(seed):
    logits = drawn(seed)
    found = joint_logits(logits)
    torch.testing.assert_close(found, sum(logits).log_softmax(1))
    torch.testing.assert_close(found, joint_logits(logits[::-1]))
    torch.testing.assert_close(found, joint_logits([logits[0] + 7, *logits[1:]]))


def test_one_view_says_what_it_said():
    (logits,) = drawn(0, views=1)
    for rule in RULES:
        torch.testing.assert_close(
            joint_logits([logits], rule, torch.full((5,), 0.2, dtype=torch.float64)), logits.log_softmax(1)
        )


def test_with_rare_classes_the_corrected_product_reaches_what_can_be_reached():
    """Two views, each a number from a normal distribution around its class; 9 of 10 samples are of the first class."""
    generator = torch.Generator().manual_seed(0)
    prior = torch.tensor([0.9, 0.1], dtype=torch.float64)
    labels = (torch.rand(20_000, generator=generator) >= 0.9).long()
    means = torch.tensor([-0.75, 0.75], dtype=torch.float64)
    views = [means[labels] + torch.randn(20_000, generator=generator, dtype=torch.float64) for _ in range(2)]
    posteriors = [-0.5 * (view[:, None] - means).square() + prior.log() for view in views]
    together = sum(-0.5 * (view[:, None] - means).square() for view in views) + prior.log()
    best = (together.argmax(1) == labels).double().mean()
    right = {rule: (joint_logits(posteriors, rule, prior).argmax(1) == labels).double().mean() for rule in RULES}
    assert right["prior_product"] == best
    assert right["product"] < best - 0.005


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="rule"):
        joint_logits(drawn(0), "sum")
    with pytest.raises(ValueError, match="views"):
        joint_logits([])
    with pytest.raises(ValueError, match="frequencies"):
        joint_logits(drawn(0), "prior_product")
