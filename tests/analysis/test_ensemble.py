import dataclasses

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binomtest

from modelheir.analysis.ensemble import ensemble
from modelheir.checks import InputError
from modelheir.runs.predictions import members_of, read_predictions, write_predictions


def test_an_average_of_averages_is_the_average_of_all(make, tmp_path):
    models = {name: make(seed, order=seed) for seed, name in enumerate("abc")}
    both = ensemble({name: models[name] for name in "ab"})
    path = tmp_path / "both.parquet"
    write_predictions(path, both.predictions, members=both.members)
    again = ensemble({"both": read_predictions(path), "c": models["c"]}, members=[members_of(path), 1])
    whole = ensemble(models)
    rows = {name: row for row, name in enumerate(whole.predictions.sample_id)}
    order = [rows[name] for name in again.predictions.sample_id]
    np.testing.assert_allclose(again.predictions.logits, whole.predictions.logits[order], atol=1e-6)
    assert again.members == whole.members == 3
    straight = [make(seed).logits for seed in range(3)]
    expected = np.mean(straight, axis=0)
    back = np.argsort(whole.predictions.sample_id)
    np.testing.assert_allclose(whole.predictions.logits[back], expected, atol=1e-6)


def test_rows_tell_every_accuracy(make):
    found = ensemble({"a": make(0), "b": make(1)}, weights=[3, 1])
    assert [row["name"] for row in found.rows] == ["a", "b", "ensemble"]
    assert [row["weight"] for row in found.rows] == [0.75, 0.25, 1]
    one = make(0)
    assert found.rows[0]["accuracy"] == (one.prediction == one.label).mean()
    assert found.rows[2]["accuracy"] == (found.predictions.prediction == one.label).mean()
    low, high = found.rows[2]["accuracy_interval"]
    assert low <= found.rows[2]["accuracy"] <= high


@pytest.mark.parametrize(("weights", "members"), [([1, 3], 2), ([0.5, 0.5], 2), ([1, 1], 2), ([0, 2], 1), (None, 2)])
def test_weights_do_not_change_how_many_models_are_averaged(make, weights, members):
    found = ensemble({"a": make(0), "b": make(1)}, weights=weights)
    assert found.members == found.rows[-1]["members"] == members
    held = ensemble({"a": make(0), "b": make(1)}, members=[4, 1], weights=weights).members
    assert held == (1 if members == 1 else 5)


def test_errors(make):
    with pytest.raises(ValueError, match="1 weights and 2 counts"):
        ensemble({"a": make(0), "b": make(1)}, weights=[1])
    with pytest.raises(ValueError, match="2 weights and 3 counts"):
        ensemble({"a": make(0), "b": make(1)}, members=[1, 1, 1])
    with pytest.raises(ValueError, match="1 weights and 1 counts were given for 2 sources"):
        ensemble({"a": make(0), "b": make(1)}, members=[1], weights=[1])
    with pytest.raises(InputError, match="b has neither logits nor probabilities"):
        ensemble({"a": make(0), "b": make(1, scores="none")}, by="probabilities")


def test_probabilities_are_averaged_where_they_are_asked_for(make):
    found = ensemble({name: make(seed) for seed, name in enumerate("ab")}, by="probabilities", confidence=0.8)
    expected = np.mean([softmax(make(seed).logits.astype(float), axis=1) for seed in range(2)], axis=0)
    np.testing.assert_allclose(found.predictions.probabilities, expected, atol=1e-6)
    right = int((expected.argmax(1) == make(0).label).sum())
    ends = binomtest(right, 120).proportion_ci(0.8, method="exact")
    assert found.rows[-1]["accuracy_interval"] == pytest.approx([ends.low, ends.high])


def test_without_labels_there_is_no_accuracy_and_no_interval(make):
    bare = dataclasses.replace(make(0), label=np.full(120, -1))
    for row in ensemble({"a": bare}).rows:
        assert (row["n"], row["accuracy"], row["accuracy_interval"]) == (0, None, None)
