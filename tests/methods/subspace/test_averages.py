"""Ways that train nothing, against NumPy over the snapshots' files."""

import dataclasses

import numpy as np
import pytest

from modelheir.config.fit import SnapshotConfig
from modelheir.runs.tensors import load_weights

WAYS = ("cut", "swa", "ema", "lawa", "greedy", "recalibrated")


@pytest.fixture(scope="module")
def done(shared_world):
    given = shared_world.given(model="convnet", fit=dataclasses.replace(shared_world.fit, epochs=4))
    settings = {"ways": WAYS, "snapshots": ":", "latest": 2, "ema_decay": 0.6, "recalibrate": False}
    return shared_world.run("subspace", "averages", given=given, **settings)


def rows(done, key):
    return np.stack([one.weights("model")[key].double().numpy() for one in done["collect"].snapshots()])


def kept(done, way, key):
    return done[way].weights("model")[key].double().numpy()


KEY = "head.weight"


def test_the_last_snapshot_is_the_end_of_the_training(done):
    assert len(done["collect"].snapshots()) == 5
    assert np.array_equal(kept(done, "cut", KEY), rows(done, KEY)[-1])
    assert done["cut"].metrics == done["collect"].metrics


@pytest.mark.parametrize(
    ("way", "weights"),
    [
        ("swa", [0.2] * 5),
        ("lawa", [0, 0, 0, 0.5, 0.5]),
        ("ema", [0.6**4, 0.4 * 0.6**3, 0.4 * 0.6**2, 0.4 * 0.6, 0.4]),
    ],
)
def test_averages_weigh_snapshots_as_their_papers_say(done, way, weights):
    for key in (KEY, *(name for name in done[way].weights("model") if name.endswith("running_mean"))):
        assert np.allclose(kept(done, way, key), np.tensordot(weights, rows(done, key), 1), atol=1e-6)


def test_a_greedy_soup_is_never_worse_than_the_best_snapshot_on_the_selection_images(done):
    soup = done["greedy"].describe["soup"]
    steps = [one.step for one in done["collect"].snapshots()]
    members = [steps.index(step) for step in soup["steps"]]
    assert np.allclose(kept(done, "greedy", KEY), rows(done, KEY)[members].mean(0), atol=1e-6)
    assert done["greedy"].metrics["val/accuracy"] == pytest.approx(soup["selection"])
    assert soup["selection"] >= done["cut"].metrics["val/accuracy"]
    assert done["greedy"].describe["passes"] == 0  # nothing is recalibrated


def test_recalibration_moves_statistics_alone(done):
    first, second = (done[name].weights("model") for name in ("cut", "recalibrated"))
    moved = {key for key in first if not np.array_equal(first[key].numpy(), second[key].numpy())}
    assert moved
    assert all("running_" in key or "num_batches" in key for key in moved)


def test_averages_are_recalibrated_unless_told_otherwise(shared_world, done):
    given = shared_world.given(model="convnet", fit=dataclasses.replace(shared_world.fit, epochs=4))
    again = shared_world.run("subspace", "recalibrated", given=given, ways=("swa",), snapshots=":")
    first, second = (found["swa"].weights("model") for found in (done, again))
    assert np.array_equal(first[KEY].numpy(), second[KEY].numpy())
    assert any(not np.array_equal(first[key].numpy(), second[key].numpy()) for key in first if "running_var" in key)


@pytest.mark.parametrize("kind", [{"dtype": "bf16"}, {"parameters": "trainable"}])
def test_snapshots_of_half_the_size_and_of_what_moved_alone_serve_too(world, kind):
    snapshots = SnapshotConfig(every_epochs=1, **kind)
    given = world.given(model="convnet", fit=dataclasses.replace(world.fit, snapshots=snapshots))
    done = world.run("subspace", "kind", given=given, ways=("cut", "swa", "psgd"), snapshots=":", components=2)
    assert set(load_weights(done["swa"].folder / "weights.safetensors")) == set(
        load_weights(done["collect"].folder / "weights.safetensors")
    )
    for way in ("cut", "swa", "psgd"):
        assert 0 <= done[way].metrics["val/accuracy"] <= 1
