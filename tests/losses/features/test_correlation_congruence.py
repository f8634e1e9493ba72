import math

import numpy as np
import pytest
import torch

from modelheir.losses import correlation_congruence


@pytest.mark.parametrize("order", [1, 2, 3])
def test_equals_a_loop(draw, order):
    new, old, gamma, tables = draw(7, 4), draw(7, 3), 0.7, []
    for x in (new.numpy(), old.numpy()):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        tables.append(
            [
                [
                    sum(
                        math.exp(-2 * gamma) * (2 * gamma) ** p / math.factorial(p) * (a @ b) ** p
                        for p in range(order + 1)
                    )
                    for b in x
                ]
                for a in x
            ]
        )
    expected = (np.array(tables[0]) - np.array(tables[1])) ** 2
    value = correlation_congruence(new, old, gamma=gamma, order=order)
    np.testing.assert_allclose(value, expected.mean(1), rtol=1e-3, atol=1e-7)
    assert value.mean().item() == pytest.approx(expected.sum() / 49, rel=1e-4)


def test_many_terms_are_the_gaussian_kernel(draw):
    new, old, tables = draw(7, 4), draw(7, 3), []
    for x in (new.numpy(), old.numpy()):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        tables.append(np.exp(-0.4 * ((x[:, None] - x[None]) ** 2).sum(2)))
    expected = ((tables[0] - tables[1]) ** 2).mean(1)
    np.testing.assert_allclose(correlation_congruence(new, old, order=12), expected, rtol=1e-3, atol=1e-7)


def test_scale_and_rotation_do_not_matter(draw):
    new, old = draw(7, 4), draw(7, 3)
    turned = 4 * new @ torch.linalg.qr(draw(4, 4)).Q
    torch.testing.assert_close(
        correlation_congruence(turned, old), correlation_congruence(new, old), rtol=1e-3, atol=1e-6
    )


def test_zero_features_stay_finite(draw):
    new = torch.zeros(3, 4, requires_grad=True)
    correlation_congruence(new, draw(3, 4)).sum().backward()
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="gamma must be > 0"):
        correlation_congruence(draw(2, 3), draw(2, 3), gamma=0.0)
    with pytest.raises(ValueError, match="order must be >= 1"):
        correlation_congruence(draw(2, 3), draw(2, 3), order=0)
    with pytest.raises(ValueError, match="two dimensions"):
        correlation_congruence(draw(2, 3, 1, 1), draw(2, 3))
