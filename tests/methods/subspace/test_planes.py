"""Ways in the plane: where they may go, where they begin, and that each setting reaches its step."""

import dataclasses

import numpy as np
import pytest
from numpy.linalg import lstsq, norm

from modelheir.subspace import Basis

WAYS = ("cut", "swa", "twa", "psgd", "pbfgs", "random")


@pytest.fixture(scope="module")
def given(shared_world):
    return shared_world.given(model="convnet", fit=dataclasses.replace(shared_world.fit, epochs=5))


@pytest.fixture(scope="module")
def done(shared_world, given):
    return shared_world.run("subspace", "planes", given=given, ways=WAYS, snapshots=":", components=3, epochs=1)


def flat(weights, names):
    return np.concatenate([weights[name].double().numpy().ravel() for name in names])


def names(done):
    return Basis.load(done["cut"].folder / "principal").names


def snapshots(done):
    return np.stack([flat(one.weights("model"), names(done)) for one in done["collect"].snapshots()])


def outside(vector, rows):
    """Return how much of a vector the rows do not span, relative to it."""
    found = lstsq(rows.T, vector, rcond=None)[0]
    return norm(vector - rows.T @ found) / norm(vector)


def moved(done, way, begin="cut"):
    return flat(done[way].weights("model"), names(done)) - flat(done[begin].weights("model"), names(done))


def principal_rows(done, count):
    rows = snapshots(done)
    return np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:count]


@pytest.mark.parametrize("way", ["psgd", "pbfgs"])
def test_weights_stay_in_the_plane_of_the_principal_directions(done, way):
    step = moved(done, way)
    assert norm(step) > 1e-3
    assert outside(step, principal_rows(done, 3)) < 1e-3
    assert outside(step, principal_rows(done, 2)) > 1e-3


def test_trained_weights_of_snapshots_begin_at_their_mean_and_span_them(done):
    step = moved(done, "twa", "swa")
    assert norm(step) > 1e-4
    assert outside(step, snapshots(done)) < 1e-3
    assert outside(flat(done["twa"].weights("model"), names(done)), snapshots(done)) < 1e-3


def test_a_random_plane_is_another(done):
    step = moved(done, "random")
    assert norm(step) > 1e-4
    assert outside(step, principal_rows(done, 3)) > 0.5


@pytest.mark.parametrize(("begin", "where"), [("mean", "swa"), ("first", None), ("last", "cut")])
def test_training_begins_where_it_is_told_to(shared_world, given, done, begin, where):
    settings = {"ways": ("psgd",), "snapshots": ":", "components": 3, "epochs": 1, "psgd__lr": 1e-9, "begin": begin}
    found = shared_world.run("subspace", f"begin_{begin}", given=given, **settings)
    there = snapshots(done)[0] if where is None else flat(done[where].weights("model"), names(done))
    assert np.allclose(flat(found["psgd"].weights("model"), names(done)), there, atol=1e-5)


def test_what_a_quasi_newton_way_cost_and_accepted_is_told(done):
    told = done["pbfgs"].describe["measured"]
    assert 1 < told["passes"] < 15
    assert 0 <= told["accepted"] <= 1


def test_the_basis_is_kept_and_made_once(shared_world, given, done):
    basis = Basis.load(done["cut"].folder / "principal")
    assert len(basis) == 3
    rows = snapshots(done)
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
    assert np.allclose(basis.singular_values[:3], values[:3], rtol=1e-4)
    assert np.allclose(np.abs(basis.components @ principal_rows(done, 3).T), np.eye(3), atol=1e-3)


def test_statistics_of_trials_do_not_reach_the_network(shared_world, given):
    """With a step that never passes, running statistics are those of ordinary forward passes alone."""
    shared = {"ways": ("psgd", "pbfgs"), "snapshots": ":", "components": 3, "epochs": 1, "psgd__lr": 1e-12}
    found = shared_world.run(
        "subspace", "trials", given=given, pbfgs__max_trials=1, pbfgs__first_step=1e-12, pbfgs__pairs="successive",
        pbfgs__sigma=0.5, **shared,
    )  # fmt: skip
    one, two = (found[way].weights("model") for way in ("psgd", "pbfgs"))
    for key in one:
        if "running_" in key:
            assert np.allclose(one[key].numpy(), two[key].numpy(), atol=1e-3), key


def test_weights_of_blocks_go_beyond_the_span_of_whole_snapshots(shared_world, given):
    done = shared_world.run(
        "subspace", "blocks", given=given, ways=("cut", "swa", "twa"), snapshots=":", epochs=1,
        twa__coefficients="block", twa__optimizer="adamw", twa__lr=0.05,
    )  # fmt: skip
    rows = np.stack([flat(one.weights("model"), KEYS) for one in done["collect"].snapshots()])
    step = flat(done["twa"].weights("model"), KEYS) - flat(done["swa"].weights("model"), KEYS)
    assert outside(step, rows - rows.mean(0)) > 1e-2
    weights, mean = done["twa"].weights("model"), done["swa"].weights("model")
    for key in KEYS:  # each parameter stays in what its own snapshots span
        own = np.stack([one.weights("model")[key].double().numpy().ravel() for one in done["collect"].snapshots()])
        moved = (weights[key] - mean[key]).double().numpy().ravel()
        assert outside(moved, own - own.mean(0)) < 1e-2


KEYS = ("head.weight", "head.bias")


def test_groups_of_snapshots_go_on_from_each_other(shared_world, given):
    done = shared_world.run(
        "subspace", "groups", given=given, ways=("cut", "swa", "twa"), snapshots=":", epochs=1, twa__groups=2
    )
    rows = np.stack([flat(one.weights("model"), KEYS) for one in done["collect"].snapshots()])
    begin, middle, end = (flat(done[name].weights("model"), KEYS) for name in ("swa", "twa_1", "twa"))
    assert outside(middle - begin, rows[:3]) < 1e-3
    assert outside(end - middle, rows[3:]) < 1e-3
    assert done["choice"].describe["rows"]["way/twa"]["passes"] == 2


def test_held_out_images_train_the_weights_of_snapshots_and_nothing_else(shared_world, given, monkeypatch):
    asked = {}
    stream = type(given.data).stream

    def noted(data, split="train", **settings):
        found = stream(data, split, **settings)
        if settings.get("train", True):
            asked.setdefault(split, set()).update(found.ids)
        return found

    monkeypatch.setattr(type(given.data), "stream", noted)
    settings = {"ways": ("cut", "twa", "psgd", "anneal"), "snapshots": ":", "epochs": 1, "twa__held_out": 0.25}
    done = shared_world.run("subspace", "held_out", given=given, **settings)
    assert not asked["train"] & asked["held_out"]
    assert asked["train"] | asked["held_out"] == set(given.data.splits["train"].ids)
    assert done["choice"].describe["rows"]["way/twa"]["passes"] == 0.25


@pytest.mark.parametrize(("bits", "off"), [(16, 0.02), (8, 0.05), (3, 0.9)])
def test_directions_of_few_bits_lead_elsewhere_the_fewer_they_are(shared_world, given, done, bits, off):
    settings = {"ways": ("psgd",), "snapshots": ":", "components": 3, "epochs": 1, "bits": bits}
    found = shared_world.run("subspace", f"bits_{bits}", given=given, **settings)
    step = flat(found["psgd"].weights("model"), names(done)) - flat(done["cut"].weights("model"), names(done))
    assert 0 < outside(step, principal_rows(done, 3)) < off
