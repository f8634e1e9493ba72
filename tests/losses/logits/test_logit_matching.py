import numpy as np
import pytest
import torch

from modelheir.losses import logit_matching


def test_equals_a_loop(draw):
    new, old = draw(7, 5), draw(7, 5)
    for n, (mean, half) in enumerate(
        zip(logit_matching(new, old), logit_matching(new, old, reduction="half_sum"), strict=True)
    ):
        square = [(float(z) - float(o)) ** 2 for z, o in zip(new[n], old[n], strict=True)]
        np.testing.assert_allclose([mean, half], [sum(square) / 5, sum(square) / 2], rtol=1e-5)


def test_the_conventions_differ_by_a_factor(draw):
    new, old = draw(7, 5), draw(7, 5)
    torch.testing.assert_close(logit_matching(new, old), 2 / 5 * logit_matching(new, old, reduction="half_sum"))


def test_a_constant_a_row_does_count(draw):
    new = draw(7, 5)
    torch.testing.assert_close(logit_matching(new + 2, new), torch.full((7,), 4.0))


def test_half_precision_does_not_overflow():
    assert logit_matching(torch.full((1, 3), 400.0).half(), torch.zeros(1, 3).half()).item() == 160000.0


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"unknown reduction 'meen'\. Did you mean 'mean'"):
        logit_matching(draw(2, 3), draw(2, 3), reduction="meen")  # pyright: ignore
