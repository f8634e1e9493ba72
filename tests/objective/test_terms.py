import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.losses import logit_difference, neighbourhood_alignment
from modelheir.objective import Term, combine, old_correct


@given(share=st.floats(0.01, 0.99), weight=st.floats(0.01, 10), task=st.floats(0, 5), distance=st.floats(0, 5))
@settings(max_examples=25, deadline=None)
def test_mixing_equals_adding_up_to_a_factor(share, weight, task, distance):
    supervised, values = {"task": torch.tensor(task)}, torch.tensor([distance, 2 * distance])
    mixed = combine(supervised, {"old": Term(values, loss_weight=weight)}, mix_alpha=share)
    added = combine(supervised, {"old": Term(values, loss_weight=share * weight / (1 - share))})
    assert mixed.total.item() == pytest.approx((1 - share) * added.total.item(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("share", "value"), [(0.9, 9.0), (0.8, 4.0), (0.5, 1.0), (None, 1.0)])
def test_effective_lambda_is_observed(share, value):
    weights = torch.tensor([1.0, 3.0])
    loss = combine({"task": torch.tensor(1.0)}, {"old": Term(torch.ones(2), weights=weights)}, mix_alpha=share)
    assert loss.observed["effective_lambda/old"].item() == pytest.approx(2 * value)


def test_weights_and_mask_by_hand():
    values, weights = torch.tensor([1.0, 3.0, 100.0]), torch.tensor([6.0, 1.0, 9.0])
    mask = torch.tensor([True, True, False])
    loss = combine(
        {"task": torch.tensor(2.0), "auxiliary": torch.tensor(1.0)},
        {"old": Term(values, loss_weight=2.0, weights=weights, mask=mask)},
    )
    assert {name: term.item() for name, term in loss.terms.items()} == {"task": 2.0, "auxiliary": 1.0, "old": 9.0}
    assert loss.total.item() == 12.0
    assert loss.observed["effective_lambda/old"].item() == 7.0


def test_a_masked_mean_counts_the_images_of_every_process():
    """Here 2 images count and on the one peer 6: the sum of 4 is over 8 images, times 2 processes."""
    values, mask = torch.tensor([1.0, 3.0, 100.0]), torch.tensor([True, True, False])
    loss = combine({}, {"old": Term(values, mask=mask)}, gather=lambda count: torch.cat([count, torch.tensor([6.0])]))
    assert loss.total.item() == 1.0
    assert loss.observed["effective_lambda/old"].item() == 0.5  # 2 weights of 1 over 8 images, times 2 processes
    assert combine({}, {"old": Term(values, mask=mask)}).total.item() == 2.0


def test_doubling_both_filter_settings_doubles_the_term(draw):
    old, labels, values = draw(7, 5), torch.arange(7) % 5, draw(7).abs()
    one, two = (
        combine({}, {"old": Term(values, weights=old_correct(old, labels, base=b, scale=s))}).total
        for b, s in ((1.0, 5.0), (2.0, 10.0))
    )
    torch.testing.assert_close(two, 2 * one)


def test_two_terms_mix_logits_and_neighbours(draw):
    """Share ``a`` of LDI and ``1 - a`` of CNA needs no loss of its own: it is two weighted terms."""
    new, old, f, g, labels = draw(7, 5), draw(7, 5), draw(7, 4), draw(7, 3), torch.arange(7) % 5
    ldi, cna = logit_difference(new, old, labels), neighbourhood_alignment(f, g, labels)
    loss = combine({}, {"ldi": Term(ldi, loss_weight=0.3), "cna": Term(cna, loss_weight=0.7)})
    torch.testing.assert_close(loss.total, (0.3 * ldi + 0.7 * cna).mean())


def test_weight_zero_is_left_out(draw):
    loss = combine({"task": torch.tensor(1.0)}, {"old": Term(draw(3) * torch.nan, loss_weight=0.0)})
    assert set(loss.terms) == {"task"}
    assert not loss.observed


@pytest.mark.parametrize("terms", [{}, {"old": Term(torch.ones(2), loss_weight=0.0)}])
def test_without_a_distance_the_supervised_part_is_whole(terms):
    loss = combine({"task": torch.tensor(1.0), "auxiliary": torch.tensor(2.0)}, terms, mix_alpha=0.8)
    assert loss.total.item() == 3.0


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="cannot have the name of a supervised one: task"):
        combine({"task": torch.tensor(1.0)}, {"task": Term(torch.ones(2))})
    names = ("task", "c", "b", "a")
    with pytest.raises(ValueError, match="cannot have the name of a supervised one: a, b, c, task"):
        combine(dict.fromkeys(names, torch.tensor(1.0)), dict.fromkeys(names, Term(torch.ones(2))))
    with pytest.raises(ValueError, match="mix_alpha must be from 0 to 1"):
        combine({"task": torch.tensor(1.0)}, {}, mix_alpha=1.5)
    with pytest.raises(ValueError, match="loss_weight must be >= 0"):
        combine({}, {"old": Term(torch.ones(2), loss_weight=-1)})
    with pytest.raises(ValueError, match=r"values is \(2,\), weights is \(2, 1\)"):
        combine({}, {"old": Term(torch.ones(2), weights=torch.ones(2, 1))})
