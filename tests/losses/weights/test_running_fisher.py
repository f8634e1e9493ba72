import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.losses import RunningFisher


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=3), st.integers(0, 999))
def test_each_epoch_sees_the_mean_of_the_one_before(epochs, seed):
    generator = np.random.default_rng(seed)
    running, wanted = RunningFisher({"w": torch.zeros(2, 3, dtype=torch.float64)}), np.ones((2, 3))
    for sizes in epochs:
        np.testing.assert_allclose(running.importance["w"], wanted)
        total = np.zeros((2, 3))
        for images in sizes:
            gradient = generator.normal(size=(2, 3))
            total += gradient**2
            running.observe({"w": torch.tensor(gradient)}, images=images)
        running.end_epoch()
        wanted = total / sum(sizes)
    np.testing.assert_allclose(running.importance["w"], wanted)


def test_an_epoch_without_a_batch_changes_nothing():
    running = RunningFisher({"w": torch.zeros(1)})
    running.end_epoch()
    assert running.importance["w"].item() == 1


def test_what_was_handed_out_stays():
    running = RunningFisher({"w": torch.zeros(1)})
    before = running.importance["w"]
    running.observe({"w": torch.tensor([3.0])}, images=1)
    running.end_epoch()
    assert before.item() == 1
    assert running.importance["w"].item() == 9


def test_what_was_collected_is_a_state():
    first, second = (RunningFisher({"w": torch.zeros(2)}) for _ in range(2))
    first.observe({"w": torch.tensor([1.0, 2.0])}, images=1)
    first.end_epoch()
    first.observe({"w": torch.tensor([3.0, 4.0])}, images=2)
    second.load_state_dict(first.state_dict())
    assert second.importance["w"].tolist() == [1, 4]
    for one in (first, second):
        one.observe({"w": torch.tensor([1.0, 0.0])}, images=2)
        one.end_epoch()
        assert one.importance["w"].tolist() == [2.5, 4]


def test_says_what_is_wrong():
    running = RunningFisher({"w": torch.zeros(1)})
    with pytest.raises(ValueError, match="parameter w has no gradient"):
        running.observe({}, images=1)
    with pytest.raises(ValueError, match="images must be >= 1"):
        running.observe({"w": torch.zeros(1)}, images=0)
    with pytest.raises(ValueError, match="shapes must be equal"):
        running.observe({"w": torch.zeros(2)}, images=1)
