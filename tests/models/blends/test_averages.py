import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.checks import InputError
from modelheir.losses import rising_weights
from modelheir.models.blends.averages import RunningAverage, average_states, soup


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
    with pytest.raises(ValueError, match="got 1 weights and more states"):
        soup([one, one], weights=(1.0,))
    with pytest.raises(ValueError, match="weight must be >= 0"):
        soup([one, one], weights=(1.0, -1.0))
    with pytest.raises(ValueError, match="sum_of_weights must be > 0"):
        soup([one, one], weights=(0.0, 0.0))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=6).filter(lambda some: sum(some) > 0.1), st.randoms())
def test_a_stream_of_states_gives_numpys_average_in_any_order(weights, shuffle):
    states = [state(seed) for seed in range(len(weights))]
    order = list(range(len(weights)))
    shuffle.shuffle(order)
    found = average_states((states[number] for number in order), (weights[number] for number in order))
    for name in ("0.weight", "1.running_var"):
        rows = np.stack([one[name].double().numpy() for one in states])
        np.testing.assert_allclose(found[name], np.average(rows, axis=0, weights=weights).astype(np.float32), rtol=1e-6)
        assert found[name].dtype == torch.float32


def test_the_sum_is_kept_in_double_precision():
    """In float32 the ones after 2 ** 24 would all be lost, and the mean be 2 ** 24 / 1001."""
    states = [{"w": torch.tensor([2.0**24])}, *[{"w": torch.tensor([1.0])}] * 1000]
    assert average_states(states)["w"].item() == np.float32((2.0**24 + 1000) / 1001)


def test_no_more_than_one_state_is_held_at_a_time():
    alive = []

    class Held(torch.Tensor):
        pass

    def read():
        for number in range(5):
            value = torch.full((4,), float(number)).as_subclass(Held)
            alive.append(weakref.ref(value))
            yield {"w": value}
            del value
            assert sum(one() is not None for one in alive) <= 1

    assert average_states(read())["w"].tolist() == [2.0] * 4


def test_whole_numbers_are_the_last_that_counted_and_half_precision_is_widened():
    states = [{"n": torch.tensor(number), "w": torch.tensor([1 + number / 256]).bfloat16()} for number in range(3)]
    found = average_states(states, [1, 1, 0])
    assert found["n"].item() == 1
    assert found["w"].dtype == torch.float32
    assert found["w"].item() == 1 + float(states[1]["w"] - 1) / 2
    assert average_states([{"w": torch.zeros(1, dtype=torch.float64)}])["w"].dtype == torch.float64


def test_one_more_is_what_adding_it_gives_and_adds_nothing():
    states = [state(seed) for seed in range(3)]
    running = RunningAverage()
    running.add(states[0])
    running.add(states[1])
    tried = running.with_one_more(states[2])
    torch.testing.assert_close(running.mean(), average_states(states[:2]))
    running.add(states[2])
    torch.testing.assert_close(tried, running.mean(), rtol=0, atol=0)
    torch.testing.assert_close(RunningAverage().with_one_more(states[1]), states[1], rtol=0, atol=0)


def test_neither_states_nor_what_was_returned_is_edited():
    first, running = {"w": torch.ones(2, dtype=torch.float64), "n": torch.tensor(3)}, RunningAverage()
    running.add(first)
    before = running.mean()
    before["n"].zero_()
    running.add({"w": torch.zeros(2, dtype=torch.float64), "n": torch.tensor(4)})
    assert first["w"].tolist() == before["w"].tolist() == [1, 1]
    assert running.mean()["n"].item() == 4


def test_refuses_what_cannot_be_averaged():
    one = {"w": torch.zeros(2)}
    with pytest.raises(ValueError, match="state_dicts must be >= 1"):
        average_states([])
    with pytest.raises(ValueError, match="must name the same tensors: 2 differ, such as 'v'"):
        average_states([one, {"v": torch.zeros(2)}], [0, 1])
    with pytest.raises(ValueError, match=r"shapes of 'w' must be equal, got \(2,\) and \(1,\)"):
        average_states([one, {"w": torch.zeros(1)}], [0, 1])
    with pytest.raises(ValueError, match="got 2 states and more weights"):
        average_states([one, one], [1, 1, 1])
    with pytest.raises(ValueError, match="sum_of_weights must be > 0"):
        RunningAverage().mean()
    for value in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="'w' holds a number that is not finite"):
            average_states([one, {"w": torch.tensor([0.0, value])}], [1, 0])
