import dataclasses

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data.history.history import History, rising_weights


@pytest.fixture
def history(make_images):
    def part(prefix, n):
        return make_images(n=n, ids=np.array([f"{prefix}{i}" for i in range(n)]), seed=n)

    steps = [{"train": part(f"{step}t", 6 + step), "val": part(f"{step}v", 3)} for step in range(4)]
    steps[-1]["test"] = part("test", 5)
    return History("toy", tuple(steps), ("a", "b", "c", "d"))


def test_steps_are_counted_and_the_newest_is_the_last(history):
    assert len(history) == 4
    assert history.newest is history.steps[3]
    assert history.classes == ("c0", "c1", "c2")


def test_pooling_puts_steps_one_after_another(history):
    pool = history.pool("train")
    assert len(pool) == 6 + 7 + 8 + 9
    assert pool.columns["step"].tolist() == [0] * 6 + [1] * 7 + [2] * 8 + [3] * 9
    assert pool.columns["weight"].tolist() == [1.0] * 30
    assert (pool.array[13:21] == history.steps[2]["train"].array).all()
    assert (pool.labels[6:13] == history.steps[1]["train"].labels).all()


def test_weights_are_one_a_step(history):
    pool = history.pool("train", weights=rising_weights(4))
    assert [pool.columns["weight"][pool.columns["step"] == step][0] for step in range(4)] == [1 / 4, 1 / 3, 1 / 2, 1]
    some = history.pool("val", steps=[-1, 0], weights=(2, 0.5))
    assert some.columns["step"].tolist() == [3, 3, 3, 0, 0, 0]
    assert some.columns["weight"].tolist() == [2, 2, 2, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("steps", [1, 2, 4, 9])
def test_rising_weights(steps):
    weights = rising_weights(steps)
    assert weights[-1] == 1
    assert np.allclose(np.diff(1 / np.array(weights)), -1)


def test_a_weighted_mean_divides_by_the_number_of_images(history):
    """Twice the weight is twice the loss, which is why weights stay as they are."""
    torch = pytest.importorskip("torch")
    weight = torch.as_tensor(history.pool("train", weights=rising_weights(4)).columns["weight"])
    loss = (weight * torch.ones(30)).mean()
    assert np.isclose(float(loss), (6 / 4 + 7 / 3 + 8 / 2 + 9) / 30)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "test"}, InputError, r"toy: step 0 \(a\) has no test split"),
        ({"split": "train", "weights": (1, 2)}, ValueError, "one number above 0 for each of 4 steps"),
        ({"split": "train", "weights": (1, 2, 0, 1)}, ValueError, "one number above 0"),
        ({"split": "train", "steps": [4]}, IndexError, "out of range"),
    ],
)
def test_what_cannot_be_pooled(history, arguments, error, message):
    with pytest.raises(error, match=message):
        history.pool(**arguments)


def test_a_history_is_consistent(history, make_images):
    first, *_, last = history.steps
    with pytest.raises(InputError, match="toy: there is one step alone"):
        History("toy", (last,), ("d",))
    with pytest.raises(ValueError, match="2 steps have 1 names"):
        History("toy", (first, last), ("d",))
    with pytest.raises(InputError, match="sample '0t0' of step 1 is in another split too"):
        History("toy", (first, {**last, "val": first["train"]}), ("a", "d"))
    with pytest.raises(InputError, match=r"the val split of step 0 \(a\) is empty"):
        History("toy", ({**first, "val": first["val"].subset(np.arange(0))}, last), ("a", "d"))
    other = dataclasses.replace(first["train"], classes=("c0", "c1", "x"))
    with pytest.raises(InputError, match=r"step 0 \(a\) has another class list"):
        History("toy", ({"train": other}, last), ("a", "d"))
