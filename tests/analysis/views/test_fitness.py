import dataclasses
import json

import numpy as np
import pytest
from scipy.special import softmax

from modelheir.analysis.views.fitness import view_fitness
from modelheir.checks import InputError
from modelheir.metrics.calibration import calibration_error
from modelheir.metrics.views.conditional_dependence import conditional_dependence

C = 5


@pytest.fixture
def views(make):
    return {"left": make(0, n=300, strength=1.5), "right": make(1, n=300, strength=1.0, order=5)}


def aligned(found, like):
    place = {name: row for row, name in enumerate(found.sample_id.tolist())}
    return found.logits[[place[name] for name in like.sample_id.tolist()]].astype(float)


def test_every_number_against_numpy(views):
    found = view_fitness(views)
    label = views["left"].label
    z = [aligned(one, views["left"]) for one in views.values()]
    said = [one.argmax(1) for one in z]
    right = [one == label for one in said]
    joint = softmax(sum(z), axis=1)
    assert (found.n, found.rule) == (300, "product")
    for row, ok, one in zip(found.views, right, z, strict=True):
        assert row.accuracy.value == ok.mean()
        assert row.calibration_error == pytest.approx(calibration_error(softmax(one, axis=1).max(1), ok))
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("left", "right")
    assert pair.agreement == (said[0] == said[1]).mean()
    assert pair.first_alone.value == (right[0] & ~right[1]).mean()
    assert pair.second_alone.value == (right[1] & ~right[0]).mean()
    assert pair.first_saves == right[0][~right[1]].mean()
    assert pair.second_saves == right[1][~right[0]].mean()
    assert pair.both_wrong == (~right[0] & ~right[1]).mean()
    expected = sum((label == y).mean() * np.prod([(~ok)[label == y].mean() for ok in right]) for y in range(C))
    assert pair.both_wrong_expected == pytest.approx(expected)
    assert pair.phi == pytest.approx(np.corrcoef(*right)[0, 1])
    depends = conditional_dependence(*said, label, generator=np.random.default_rng(0))
    assert (pair.dependence, pair.dependence_p) == (depends.share, depends.p)
    assert found.any_right.value == (right[0] | right[1]).mean()
    (together,) = found.together
    assert together.accuracy.value == (joint.argmax(1) == label).mean()
    assert together.calibration_error == pytest.approx(calibration_error(joint.max(1), joint.argmax(1) == label))
    (gain,) = found.gains
    assert (gain.of, gain.over) == ("the joint prediction", "left")
    assert gain.gain.value == pytest.approx((joint.argmax(1) == label).mean() - right[0].mean())
    assert gain.gain.interval[0] < gain.gain.value < gain.gain.interval[1]
    assert all(row.accuracy.interval[0] < row.accuracy.value < row.accuracy.interval[1] for row in found.views)


def test_the_gain_is_divided_into_joint_prediction_and_teaching(make, views):
    taught = {"left": make(2, n=300, strength=2.5), "right": make(3, n=300, strength=2.5, order=1)}
    found = view_fitness(views, concatenated=make(4, n=300, strength=2.0, order=2), taught=taught)
    assert [row.name for row in found.together] == [
        "the joint prediction", "the concatenation", "the joint prediction after teaching",
    ]  # fmt: skip
    gains = {(one.of.removeprefix("the joint prediction").strip(), one.over): one.gain.value for one in found.gains}
    by_joint, by_teaching = gains["", "left"], gains["after teaching", "the joint prediction"]
    assert gains["after teaching", "left"] == pytest.approx(by_joint + by_teaching)
    accuracy = {row.name: row.accuracy.value for row in found.together}
    whole = accuracy["the joint prediction"] - accuracy["the concatenation"]
    assert gains["", "the concatenation"] == pytest.approx(whole)
    assert gains["after teaching", "the concatenation"] == pytest.approx(
        accuracy["the joint prediction after teaching"] - accuracy["the concatenation"]
    )
    assert len(found.gains) == 5


def test_settings_reach_what_they_set(views):
    plain = view_fitness(views)
    mean = view_fitness(views, rule="mean")
    assert mean.rule == "mean"
    assert mean.together[0] != plain.together[0]
    skewed = view_fitness(views, rule="prior_product", prior=np.array([0.9, 0.04, 0.02, 0.02, 0.02]))
    assert skewed.together[0].accuracy.value < plain.together[0].accuracy.value
    wide = view_fitness(views, confidence=0.999)
    for one, two in zip([*plain.views, *plain.together], [*wide.views, *wide.together], strict=True):
        assert two.accuracy.interval[0] < one.accuracy.interval[0]
    assert wide.gains[0].gain.interval[0] < plain.gains[0].gain.interval[0]
    assert wide.pairs[0].first_alone.interval[0] < plain.pairs[0].first_alone.interval[0]
    assert view_fitness(views, draws=9).pairs[0].dependence_p in [k / 10 for k in range(1, 11)]
    assert view_fitness(views, seed=1).pairs[0].dependence != plain.pairs[0].dependence
    assert view_fitness(views, seed=0) == plain


def test_more_than_two_views_and_probabilities(make):
    three = {name: make(seed, scores="probabilities", order=seed) for seed, name in enumerate("abc")}
    found = view_fitness(three)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found.together[0].accuracy.value > max(row.accuracy.value for row in found.views)
    json.dumps(found.to_json())


def test_images_without_a_label_are_left_out(views, rows):
    cut = {}
    for name, one in views.items():
        drop = np.char.endswith(one.sample_id, "7")
        cut[name] = dataclasses.replace(one, label=np.where(drop, -1, one.label))
    found = view_fitness(cut)
    kept = {name: rows(one, np.flatnonzero(~np.char.endswith(one.sample_id, "7"))) for name, one in views.items()}
    assert found == view_fitness(kept)
    with pytest.raises(InputError, match="none of the 300 images has a label"):
        view_fitness({name: dataclasses.replace(one, label=np.full(300, -1)) for name, one in views.items()})


def test_sentences_say_the_numbers(make, views):
    found = view_fitness(views, taught={"left": make(2, n=300, strength=3), "right": make(3, n=300, strength=3)})
    said = found.sentences()
    assert len(said) == 1 + 2 + 3
    assert f"left has {found.views[0].accuracy.value:.1%} [" in said[0]
    assert f"; at least one view is right on {found.any_right.value:.1%} [" in said[0]
    assert "right alone on" in said[1]
    assert "Given the class, no dependence of their predictions was found." in said[2]
    assert said[3].startswith(f"the joint prediction against left: {100 * found.gains[0].gain.value:+.1f} points [")
    assert not said[4].endswith("chance.")
    copy = view_fitness({"one": views["left"], "two": views["left"]}).sentences()
    assert "share 100% of what they could (p = 0.00498)" in copy[2]
    end = 100 * 1.96**2 / (300 + 1.96**2)  # of Wilson's and Tango's interval where nothing differs
    assert copy[3] == f"the joint prediction against one: +0.0 points [-{end:.1f}, +{end:.1f}], which may be chance."
    perfect = make(0, strength=99.0)
    last = view_fitness({"one": perfect, "two": perfect})
    assert (last.pairs[0].q, last.pairs[0].phi, last.pairs[0].first_saves, last.pairs[0].dependence) == (None,) * 4
    assert "do not vary" in last.sentences()[2]


def test_views_that_do_not_fit(make, views):
    with pytest.raises(InputError, match=r"1 view was given \(left\): two or more"):
        view_fitness({"left": views["left"]})
    shifted = dataclasses.replace(views["right"], sample_id=np.roll(views["right"].sample_id, 1))
    with pytest.raises(InputError, match="right has another label than left for"):
        view_fitness({"left": views["left"], "right": shifted})
    with pytest.raises(InputError, match="left after teaching lacks 180 sample ids of left"):
        view_fitness(views, taught={"left": make(0, n=120), "right": make(1, n=300)})
    with pytest.raises(InputError, match="the concatenation has neither logits nor probabilities"):
        view_fitness(views, concatenated=dataclasses.replace(views["left"], logits=None))
