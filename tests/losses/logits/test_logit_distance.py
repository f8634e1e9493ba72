import numpy as np
import pytest
import torch
from scipy.special import expit, huber, softmax

from modelheir.losses import logit_distance, logit_matching

ACT = {"none": lambda z: z, "sigmoid": expit, "softmax": lambda z: softmax(z, axis=1)}
DISTANCE = {"l1": np.abs, "l2": np.square, "smooth_l1": lambda gap: huber(1.0, gap)}


@pytest.mark.parametrize("distance", DISTANCE)
@pytest.mark.parametrize("act", ACT)
def test_equals_the_formula(draw, act, distance):
    new, old = draw(7, 5, scale=2.0), draw(7, 5, scale=2.0)
    wanted = DISTANCE[distance](ACT[act](new.numpy()) - ACT[act](old.numpy())).mean(1)
    np.testing.assert_allclose(logit_distance(new, old, distance=distance, act=act), wanted, rtol=1e-4, atol=1e-7)


def test_squared_logits_are_logit_matching(draw):
    new, old = draw(7, 5), draw(7, 5)
    assert torch.equal(logit_distance(new, old), logit_matching(new, old))


def test_far_half_precision_logits_do_not_overflow():
    new, old = torch.tensor([[3e4, 0.0]], dtype=torch.float16), torch.tensor([[-3e4, 0.0]], dtype=torch.float16)
    assert logit_distance(new, old).item() == pytest.approx(1.8e9, rel=1e-3)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"unknown distance 'smooth-l1'\. Did you mean 'smooth_l1'"):
        logit_distance(draw(2, 3), draw(2, 3), distance="smooth-l1")  # pyright: ignore
    with pytest.raises(ValueError, match="unknown act 'relu'"):
        logit_distance(draw(2, 3), draw(2, 3), act="relu")  # pyright: ignore
