import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from modelheir import losses, objective

# The four cases of one class against another, and an unlabelled image: old model right, new model right
OLD = torch.tensor([[2.0, 0], [2, 0], [0, 2], [0, 2], [2, 0]])
NEW = torch.tensor([[2.0, 0], [0, 2], [2, 0], [0, 2], [2, 0]])
LABELS = torch.tensor([0, 0, 0, 0, -1])
SELECTED = {
    "old_correct": [1, 1, 0, 0, 0],
    "neg_flip": [0, 1, 0, 0, 0],
    "new_incorrect": [0, 1, 0, 1, 0],
}


@pytest.mark.parametrize("name", SELECTED)
@pytest.mark.parametrize(("base", "scale"), [(1.0, 5.0), (0.0, 1.0), (1.0, 0.0)])
def test_weights_follow_the_truth_table(name, base, scale):
    got = objective.sample_weights(name, NEW, OLD, LABELS, base=base, scale=scale)
    assert got.tolist() == [base + scale * indicator for indicator in SELECTED[name]]


def test_all_pass_ignores_base_and_scale():
    assert objective.sample_weights("all_pass", NEW, OLD, LABELS, base=7.0, scale=3.0).tolist() == [1.0] * 5


def test_likelihood_weighs_each_image():
    values = torch.tensor([0.0, 0.5, 1.0, 0.0, 2.0])
    got = objective.sample_weights("likelihood", NEW, OLD, LABELS, base=1.0, scale=2.0, likelihoods=values)
    assert got.tolist() == [1.0, 2.0, 3.0, 1.0, 5.0]
    per_image = got * losses.logit_matching(NEW, OLD)  # the earlier system stopped here with a shape error
    assert per_image.shape == (5,)


def test_focal_mean_is_of_products_not_a_product_of_means():
    old, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    weights = objective.old_correct(old, labels, base=1.0, scale=5.0)
    assert (weights * torch.tensor([1.0, 3.0])).mean().item() == 4.5  # 7.0 would be mean(w) * mean(D)


DISTANCES = {
    "kl": lambda new, old, y: losses.kl_distillation(new, old),
    "logit_matching": lambda new, old, y: losses.logit_matching(new, old),
    "ldi": lambda new, old, y: losses.logit_difference(new, old, y, margin=0.0),
    "ldi_p_norm": lambda new, old, y: losses.logit_difference(new, old, y, margin=0.0, p_norm=True),
    "renyi": lambda new, old, y: losses.renyi(new, old),
    "rce": lambda new, old, y: losses.retentive_cross_entropy(new, old, y, two_heads=True),
    "feature": lambda new, old, y: losses.feature_alignment(new, old),
    "contrastive": losses.contrastive_feature_alignment,
    "projection": lambda new, old, y: losses.RandomProjectionLoss(5, 5, width=3).per_image(new, old),
    "ce": lambda new, old, y: losses.cross_entropy(new, y),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_an_unselected_image_gets_exactly_no_gradient(draw, name):
    new, old, labels = draw(7, 5).requires_grad_(), draw(7, 5), torch.arange(7) % 5
    old[[1, 4], labels[[1, 4]]] = 9.0
    right = old.argmax(1) == labels
    weights = objective.old_correct(old, labels, base=0.0, scale=1.0)
    (weights * DISTANCES[name](new, old, labels)).mean().backward()
    assert new.grad is not None
    assert new.grad[~right].eq(0).all()
    assert new.grad[right].ne(0).any(dim=1).all()


@given(base=st.floats(0, 10), scale=st.floats(0, 10), seed=st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_doubling_both_doubles_the_weights(base, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    new, old = torch.randn(2, 7, 5, generator=generator)
    labels = torch.randint(-1, 5, (7,), generator=generator)
    for name in SELECTED:
        once = objective.sample_weights(name, new, old, labels, base=base, scale=scale)
        torch.testing.assert_close(
            objective.sample_weights(name, new, old, labels, base=2 * base, scale=2 * scale), 2 * once
        )


def test_normalised_weights_have_mean_one_and_zeros_stay():
    got = objective.sample_weights("neg_flip", NEW, OLD, LABELS, base=1.0, scale=5.0, normalize=True)
    assert got.mean().item() == pytest.approx(1.0)
    assert (got[1] / got[0]).item() == pytest.approx(6.0)
    none = objective.sample_weights("neg_flip", OLD, OLD, LABELS, base=0.0, scale=1.0, normalize=True)
    assert none.tolist() == [0.0] * 5


def test_normalised_weights_have_mean_one_over_the_images_that_count():
    first = torch.arange(5) < 3
    got = objective.sample_weights("old_correct", NEW, OLD, LABELS, normalize=True, mask=first)
    assert got[first].mean().item() == pytest.approx(1.0)


def test_weights_carry_no_gradient():
    new = NEW.clone().requires_grad_()
    for name in SELECTED:
        assert not objective.sample_weights(name, new, OLD, LABELS).requires_grad


def test_an_old_model_with_fewer_classes_is_not_right_on_new_ones():
    assert objective.old_correct(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 4])).tolist() == [6.0, 1.0]


@pytest.mark.parametrize(("weight", "mix", "value"), [(1, 0.9, 9), (1, 0.8, 4), (1, 0.5, 1), (2, None, 2), (0, 0.5, 0)])
def test_effective_lambda(weight, mix, value):
    got = objective.effective_lambda(torch.tensor([2.0, 0.0]), loss_weight=weight, mix_alpha=mix)
    assert got.item() == pytest.approx(value)


def test_a_share_of_one_outweighs_everything():
    assert objective.effective_lambda(torch.ones(2), loss_weight=0.5, mix_alpha=1.0).item() == float("inf")
    with pytest.raises(ValueError, match=r"mix_alpha must be from 0 to 1, got 1\.5"):
        objective.effective_lambda(torch.ones(2), loss_weight=1.0, mix_alpha=1.5)


@pytest.mark.parametrize("name", [*SELECTED, "likelihood"])
def test_the_usual_weights_are_one_and_six(name):
    usual = objective.sample_weights(name, NEW, OLD, LABELS, likelihoods=torch.ones(len(LABELS)))
    said = objective.sample_weights(name, NEW, OLD, LABELS, likelihoods=torch.ones(len(LABELS)), base=1.0, scale=5.0)
    assert torch.equal(usual, said)
    assert set(usual.tolist()) <= {1.0, 6.0}


@pytest.mark.parametrize("name", SELECTED)
def test_mixed_targets_are_refused(name):
    targets = functional.one_hot(LABELS.clamp_min(0), 2).float() * 0.7
    with pytest.raises(ValueError, match="needs one integer label an image, and mixed targets"):
        objective.sample_weights(name, NEW, OLD, targets)


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"unknown filter 'old_corect'\. Did you mean 'old_correct'"):
        objective.sample_weights("old_corect", NEW, OLD, LABELS)
    with pytest.raises(ValueError, match="needs stored likelihoods"):
        objective.sample_weights("likelihood", NEW, OLD, LABELS)
    with pytest.raises(ValueError, match="scale must be >= 0"):
        objective.old_correct(OLD, LABELS, scale=-1)
    with pytest.raises(ValueError, match=r"likelihoods must have shape \(N,\)"):
        objective.likelihood(torch.ones(5, 1))
    with pytest.raises(ValueError, match="lengths must be equal: new has 5, likelihoods has 4"):
        objective.sample_weights("likelihood", NEW, OLD, LABELS, likelihoods=torch.ones(4))
    for setting in ("base", "scale"):
        for name in (*SELECTED, "likelihood"):
            with pytest.raises(ValueError, match=f"{setting} must be >= 0, got -1"):
                objective.sample_weights(name, NEW, OLD, LABELS, likelihoods=torch.ones(5), **{setting: -1})
    with pytest.raises(ValueError, match="loss_weight must be >= 0, got -1"):
        objective.effective_lambda(torch.ones(2), loss_weight=-1)


def test_a_base_or_a_scale_of_nothing_is_allowed():
    values = torch.tensor([0.5, 2.0])
    assert objective.likelihood(values, base=0.0, scale=2.0).tolist() == [1.0, 4.0]
    assert objective.likelihood(values, base=0.5, scale=0.0).tolist() == [0.5, 0.5]


def test_normalised_weights_have_mean_one_over_all_processes():
    """Here the weights are 6, 6, 1, 1, 1 and on the one peer all 6: 45 over ten images."""
    peers = iter([torch.full((5,), 6.0), torch.ones(5)])  # the peer's weights, then its images that count
    got = objective.sample_weights(
        "old_correct", NEW, OLD, LABELS, normalize=True, gather=lambda own: torch.cat([own, next(peers)])
    )
    assert got.tolist() == pytest.approx([weight / 4.5 for weight in (6, 6, 1, 1, 1)])
