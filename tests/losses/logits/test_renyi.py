import numpy as np
import pytest
import torch

from modelheir.losses import kl_distillation, renyi


def test_closed_form():
    new, old = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    assert renyi(new, old, alpha=2.0).item() == pytest.approx(np.log(1.25))


@pytest.mark.parametrize("alpha", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("reorder", [False, True])
def test_equals_the_plain_sum(draw, log_softmax, alpha, reorder):
    new, old = draw(7, 5), draw(7, 5)
    p, q = np.exp(log_softmax(old.numpy())), np.exp(log_softmax(new.numpy()))
    if reorder:
        p, q = np.sort(p, 1), np.sort(q, 1)
    wanted = np.log((p**alpha * q ** (1 - alpha)).sum(1)) / (alpha - 1)
    np.testing.assert_allclose(renyi(new, old, alpha=alpha, reorder=reorder), wanted, rtol=1e-4, atol=1e-6)


def test_near_order_one_it_is_kl(draw):
    new, old = draw(7, 5, dtype=torch.float64), draw(7, 5, dtype=torch.float64)
    torch.testing.assert_close(
        renyi(new, old, alpha=1 + 1e-6), kl_distillation(new, old, temperature=1.0), rtol=1e-4, atol=1e-6
    )


def test_grows_with_the_order(draw):
    new, old = draw(7, 5), draw(7, 5)
    assert (renyi(new, old, alpha=2.0) <= renyi(new, old, alpha=4.0) + 1e-6).all()


def test_reordered_a_permutation_of_classes_is_no_distance(draw):
    logits = draw(7, 5)
    torch.testing.assert_close(renyi(logits.flip(1), logits, reorder=True), torch.zeros(7), atol=1e-6, rtol=0)


def test_probability_zero_stays_finite():
    value = renyi(torch.tensor([[300.0, 0.0]]), torch.tensor([[0.0, 300.0]]))
    assert value.item() == pytest.approx(300.0)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="alpha must not be 1: use kl_distillation"):
        renyi(draw(2, 3), draw(2, 3), alpha=1)
    with pytest.raises(ValueError, match="alpha must be > 0"):
        renyi(draw(2, 3), draw(2, 3), alpha=0)
