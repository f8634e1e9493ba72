import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from modelheir.models.blends.averages import average_states
from modelheir.models.blends.sequence_weights import ema_weights, latest_weights, tail_weights, uniform_weights

COUNTS = st.integers(1, 60)


@given(COUNTS, st.data())
def test_each_way_sums_to_one_and_no_older_model_counts_more_than_a_newer(count, data):
    decay = data.draw(st.floats(0, 0.999))
    for found in (
        uniform_weights(count),
        latest_weights(count, data.draw(st.integers(1, count))),
        tail_weights(count, data.draw(st.floats(0.001, 1))),
    ):
        assert len(found) == count
        assert sum(found) == pytest.approx(1)
        assert list(found) == sorted(found)
    found = ema_weights(count, decay)
    assert sum(found) == pytest.approx(1)
    assert list(found[1:]) == sorted(found[1:])  # the first stands for all that was before it


@given(COUNTS, st.floats(0, 0.999))
def test_ema_is_the_recursion(count, decay):
    rows = np.random.default_rng(count).normal(size=count)
    mean = rows[0]
    for row in rows[1:]:
        mean = decay * mean + (1 - decay) * row
    assert np.dot(ema_weights(count, decay), rows) == pytest.approx(mean, abs=1e-9)


def models(count=5):
    torch.manual_seed(0)
    return [torch.nn.Linear(3, 2) for _ in range(count)]


def test_ema_is_torchs():
    every = models()
    torchs = AveragedModel(every[0], multi_avg_fn=get_ema_multi_avg_fn(0.8))
    for model in every:
        torchs.update_parameters(model)
    ours = average_states((one.state_dict() for one in every), ema_weights(5, 0.8))
    torch.testing.assert_close(ours, dict(torchs.module.state_dict()))


def test_the_tail_is_torchs_equal_mean_of_it():
    every = models(8)
    torchs = AveragedModel(every[0])
    for model in every[6:]:
        torchs.update_parameters(model)
    ours = average_states((one.state_dict() for one in every), tail_weights(8, 0.25))
    torch.testing.assert_close(ours, dict(torchs.module.state_dict()))


def test_numbers_by_hand():
    assert tail_weights(8, 0.25) == (0,) * 6 + (0.5, 0.5)
    assert tail_weights(9, 0.25) == pytest.approx((0,) * 6 + (1 / 3,) * 3)
    assert tail_weights(10, 0.7) == pytest.approx((0,) * 3 + (1 / 7,) * 7)  # not 8, as 0.7 * 10 is 7.000000000000001
    assert tail_weights(3, 0.001) == (0, 0, 1)
    assert latest_weights(3, 3) == uniform_weights(3)
    assert ema_weights(2, 0.9) == pytest.approx((0.9, 0.1))
    assert ema_weights(3, 0) == (0, 0, 1)
    assert ema_weights(1, 0.5) == (1,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniform_weights(0), "count must be >= 1"),
        (lambda: latest_weights(3, 4), "latest must be from 1 to 3"),
        (lambda: latest_weights(3, 0), "latest must be from 1 to 3"),
        (lambda: tail_weights(3, 0), "share must be > 0"),
        (lambda: tail_weights(3, 1.1), "share must be from 0 to 1"),
        (lambda: ema_weights(3, 1), "decay must be < 1"),
        (lambda: ema_weights(3, -0.1), "decay must be from 0 to 1"),
        (lambda: ema_weights(0, 0.5), "count must be >= 1"),
    ],
)
def test_refuses_what_is_out_of_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()
