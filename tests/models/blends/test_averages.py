import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.losses import rising_weights
from modelheir.models.blends.averages import soup


def state(seed):
    torch.manual_seed(seed)
    return {
        name: value + seed for name, value in nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict().items()
    }


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 5), min_size=2, max_size=5).filter(lambda some: sum(some) > 0.1))
def test_equals_numpys_weighted_average_statistics_too(weights):
    states = [state(seed) for seed in range(len(weights))]
    found = soup(states, weights=weights)
    for name in ("0.weight", "0.bias", "1.running_mean", "1.running_var"):
        wanted = np.average(np.stack([one[name].numpy() for one in states]), axis=0, weights=weights)
        np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-5)
    assert found["1.num_batches_tracked"] == states[0]["1.num_batches_tracked"]


def test_equal_weights_and_none_are_the_plain_mean_and_scale_does_not_matter():
    states = [state(seed) for seed in range(3)]
    plain = soup(states)
    torch.testing.assert_close(soup(states, weights=(2, 2, 2)), plain)
    torch.testing.assert_close(soup(states, weights=rising_weights(3)), soup(states, weights=(2, 3, 6)))
    torch.testing.assert_close(plain["0.bias"], torch.stack([one["0.bias"] for one in states]).mean(dim=0))


def test_one_state_is_itself_in_new_tensors_and_half_stays_half():
    one = {"w": torch.tensor([60000.0]).half()}
    found = soup([one], weights=(0.3,))
    assert torch.equal(found["w"], one["w"])
    assert found["w"].data_ptr() != one["w"].data_ptr()
    both = soup([one, one], weights=(1, 2))
    assert both["w"].dtype == torch.float16
    assert both["w"].item() == 60000


def test_says_what_is_wrong():
    one = {"w": torch.zeros(1)}
    with pytest.raises(ValueError, match="state_dicts must be >= 1"):
        soup([])
    with pytest.raises(ValueError, match="must name the same tensors"):
        soup([one, {"v": torch.zeros(1)}])
    with pytest.raises(ValueError, match="2 states, 1 weights"):
        soup([one, one], weights=(1.0,))
    with pytest.raises(ValueError, match="weight must be >= 0"):
        soup([one, one], weights=(1.0, -1.0))
    with pytest.raises(ValueError, match="sum_of_weights must be > 0"):
        soup([one, one], weights=(0.0, 0.0))
