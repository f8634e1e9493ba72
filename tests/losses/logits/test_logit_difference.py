import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.losses import logit_difference

NEW, OLD = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[1.2, 0.3, -1.1]])
LABEL_0, LABEL_1 = torch.tensor([0]), torch.tensor([1])


def loop(new, old, labels, *, margin, power, top_k, rank_by, exclude_label, one_sided, label_weight, relative, p_norm):
    values = []
    for z, o, y in zip(new, old, labels, strict=True):
        classes = [c for c in range(len(z)) if not (exclude_label and c == y)]
        ranks = z if rank_by == "new" else o
        kept = sorted(classes, key=lambda c: -ranks[c])[: top_k or None]
        unit = max(abs(o)) if relative else 1.0
        total = 0.0
        for c in kept:
            gap = (z[c] - o[c]) / unit
            total += max((gap if one_sided else abs(gap)) - margin, 0) ** power
        if y >= 0:
            total += label_weight * max((o[y] - z[y]) / unit - margin, 0) ** power
        values.append(total ** (1 / power) if p_norm else total / (top_k or len(z)))
    return np.array(values)


def test_closed_form():
    assert logit_difference(NEW, OLD, LABEL_0, exclude_label=False).item() == pytest.approx(0.03)
    assert logit_difference(NEW, OLD, LABEL_0, exclude_label=True).item() == 0


@given(
    seed=st.integers(0, 2**16),
    margin=st.sampled_from([0.0, 0.5]),
    power=st.sampled_from([1.0, 2.0, 3.0]),
    top_k=st.sampled_from([0, 1, 3, 5]),
    rank_by=st.sampled_from(["new", "old"]),
    flags=st.tuples(*[st.booleans()] * 4),
    label_weight=st.sampled_from([0.0, 0.7]),
)
@settings(max_examples=100, deadline=None)
def test_equals_a_loop_in_every_combination(seed, margin, power, top_k, rank_by, flags, label_weight):
    rng = np.random.default_rng(seed)
    new, old, labels = rng.normal(size=(7, 5)) * 2, rng.normal(size=(7, 5)) * 2, rng.integers(-1, 5, 7)
    options = dict(zip(("exclude_label", "one_sided", "relative", "p_norm"), flags, strict=True))
    options.update(margin=margin, power=power, top_k=top_k, rank_by=rank_by, label_weight=label_weight)
    got = logit_difference(torch.tensor(new), torch.tensor(old), torch.tensor(labels), **options)
    np.testing.assert_allclose(got.numpy(), loop(new, old, labels, **options), rtol=1e-9, atol=1e-12)


def test_top_k_counts_classes_not_images(draw):
    new, old, labels = draw(7, 5), draw(7, 5), torch.zeros(7, dtype=torch.int64)
    every = logit_difference(new, old, labels, margin=0.0)
    assert (logit_difference(new, old, labels, margin=0.0, top_k=1) != every).all()
    torch.testing.assert_close(logit_difference(new, old, labels, margin=0.0, top_k=5), every)
    assert (
        logit_difference(new, old, labels, margin=0.0, top_k=2)
        != logit_difference(new, old, labels, margin=0.0, top_k=2, rank_by="old")
    ).any()


def test_relative_margin_with_no_positive_old_logit():
    old = torch.tensor([[-2.0, -4.0], [0.0, 0.0]])
    new = torch.tensor([[-2.0, 0.0], [0.0, 2.0]])
    got = logit_difference(new, old, torch.tensor([0, 0]), margin=0.5, relative=True)
    torch.testing.assert_close(got, torch.tensor([0.5**2 / 2, 1.5**2 / 2]))


def test_one_sided_leaves_falling_logits_free_but_for_the_label():
    old, labels = torch.zeros(1, 3), torch.tensor([0])
    fallen = torch.tensor([[-2.0, -2.0, -2.0]])
    assert logit_difference(fallen, old, labels, one_sided=True).item() == 0
    charged = logit_difference(fallen, old, labels, one_sided=True, label_weight=2.0)
    assert charged.item() == pytest.approx(2 * 1.5**2 / 3)


@pytest.mark.parametrize("p_norm", [False, True])
def test_inside_the_margin_all_is_zero(draw, p_norm):
    new = draw(7, 5).requires_grad_()
    value = logit_difference(new, new.detach() + 0.1, torch.zeros(7, dtype=torch.int64), p_norm=p_norm)
    value.sum().backward()
    assert value.eq(0).all()
    assert new.grad is not None
    assert new.grad.eq(0).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin": -1}, "margin must be >= 0, got -1"),
        ({"power": 0.5}, "power must be >= 1, got 0.5"),
        ({"top_k": 4}, "top_k must be from 1 to 3, got 4"),
        ({"rank_by": "odl"}, "unknown rank_by 'odl'. Did you mean 'old'"),
    ],
)
def test_says_what_is_wrong(options, words):
    with pytest.raises(ValueError, match=words):
        logit_difference(NEW, OLD, LABEL_1, **options)
