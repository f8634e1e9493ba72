import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics.geometry.weight_plane import weight_change, weight_coordinates


def model(rng):
    return {"conv1": rng.normal(size=12), "layer1": rng.normal(size=5), "fc": rng.normal(size=3)}


def test_the_three_models_stand_where_the_formula_puts_them(rng):
    oracle, history, baseline = (model(rng) for _ in range(3))
    three = {"oracle": oracle, "history": history, "baseline": baseline}
    at = {name: weight_coordinates(one, **three) for name, one in three.items()}
    for layer in oracle:
        d1, d2 = history[layer] - oracle[layer], baseline[layer] - oracle[layer]
        assert at["oracle"][layer] == (0, 0)
        assert at["history"][layer] == pytest.approx((np.sqrt(d1 @ d1), d1 @ d2 / np.sqrt(d2 @ d2)))
        assert at["baseline"][layer] == pytest.approx((d1 @ d2 / np.sqrt(d1 @ d1), np.sqrt(d2 @ d2)))


def test_all_layers_joined_are_last(rng):
    oracle, history, baseline, w = (model(rng) for _ in range(4))
    found = weight_coordinates(w, oracle=oracle, history=history, baseline=baseline, whole="all")
    assert list(found) == ["conv1", "layer1", "fc", "all"]
    one, star, past, few = (np.concatenate(list(x.values())) for x in (w, oracle, history, baseline))
    axes = np.stack([past - star, few - star])
    assert found["all"] == pytest.approx(axes @ (one - star) / np.sqrt((axes**2).sum(axis=1)))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.floats(-3, 3))
def test_a_path_between_two_models_is_straight(seed, v):
    rng = np.random.default_rng(seed)
    oracle, history, baseline, a, b = (model(rng) for _ in range(5))
    three = {"oracle": oracle, "history": history, "baseline": baseline}
    between = {name: (1 - v) * a[name] + v * b[name] for name in a}
    start, end, found = (np.array(list(weight_coordinates(x, **three).values())) for x in (a, b, between))
    np.testing.assert_allclose(found, (1 - v) * start + v * end, atol=1e-9)


def test_an_axis_without_length_has_no_coordinate(rng):
    oracle, w, baseline = (model(rng) for _ in range(3))
    history = {**model(rng), "fc": oracle["fc"]}
    found = weight_coordinates(w, oracle=oracle, history=history, baseline=baseline)
    assert np.isnan(found["fc"][0])
    assert not np.isnan([*found["fc"][1:], *found["conv1"], *found["entire model"]]).any()


def test_changes_are_lengths_from_step_to_step(rng):
    steps = [model(rng) for _ in range(4)]
    found = weight_change(steps)
    assert list(found) == ["conv1", "layer1", "fc", "entire model"]
    for layer in steps[0]:
        expected = [np.sqrt(((b[layer] - a[layer]) ** 2).sum()) for a, b in itertools.pairwise(steps)]
        assert found[layer] == pytest.approx(expected)
    layers = np.array([found[layer] for layer in steps[0]])
    assert np.array(found["entire model"]) ** 2 == pytest.approx((layers**2).sum(axis=0))


def test_other_layers_are_refused(rng):
    one = model(rng)
    for other in ({**one, "fc": one["fc"][:2]}, {"conv1": one["conv1"]}, {**one, "more": one["fc"]}):
        with pytest.raises(ValueError, match="same layers of the same sizes"):
            weight_change([one, other])
