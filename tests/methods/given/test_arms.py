"""Ways over seeds: ranked on the selection images alone, told apart by paired intervals, reported on others."""

import types

import numpy as np
import pytest

from modelheir.methods.given.arms import merit, ranked, row_of, verdict
from modelheir.runs import write_predictions
from modelheir.types import Predictions


def result(accuracy, loss=1.0, name="x", folder=None):
    return types.SimpleNamespace(name=name, folder=folder, metrics={"val/accuracy": accuracy, "val/loss": loss})


def about(name):
    return f"what {name} is"


def said(found):
    return verdict(found, about, kind="algorithm", images="selection images")


def test_the_best_mean_is_first_and_of_equals_the_lower_loss():
    found = {
        "low": [result(0.5), result(0.7)],
        "sure": [result(0.8, 0.5), result(0.6, 0.5)],
        "unsure": [result(0.7, 0.6), result(0.7, 0.6)],
    }
    assert merit(result(0.5, 2.0)) == (0.5, -2.0)
    assert ranked(found) == ["sure", "unsure", "low"]


def test_one_seed_tells_nothing_apart():
    text = said({"a": [result(0.5)], "b": [result(0.9)]})
    assert text.startswith("Use b (what b is): right on 90.0% of the selection images.")
    assert "One seed does not tell them apart: --method.seeds 3" in text
    assert said({"a": [result(0.5)]}) == "Use a (what a is): right on 50.0% of the selection images."


def test_ways_are_told_apart_by_the_paired_difference():
    """By hand: differences 0.1 in each seed have an interval that leaves out 0; 0.1 and -0.1 in turn do not."""
    best = [result(value) for value in (0.9, 0.8, 0.85, 0.9)]
    worse = [result(one.metrics["val/accuracy"] - 0.1) for one in best]
    mixed = [
        result(one.metrics["val/accuracy"] - change) for one, change in zip(best, (0.1, -0.05, 0.1, -0.05), strict=True)
    ]
    assert said({"best": best, "worse": worse}).endswith(
        "Every other algorithm is worse there, by a paired interval over the seeds that leaves out 0."
    )
    text = said({"best": best, "worse": worse, "mixed": mixed})
    assert text.endswith("Not told apart from it by these seeds: mixed.")


def test_a_row_is_about_the_reporting_images(tmp_path):
    labels = np.array([0, 1, 1, 0])
    results = []
    for seed, wrong in enumerate((1, 2)):
        folder = tmp_path / str(seed)
        prediction = labels.copy()
        prediction[:wrong] = 1 - prediction[:wrong]
        (folder / "predictions").mkdir(parents=True)
        write_predictions(folder / "predictions/test.parquet", Predictions(np.array(list("abcd")), labels, prediction))
        results.append(result(0.9, name=f"x_seed{seed}", folder=folder))
    row = row_of(results)
    assert row["values"] == [0.75, 0.5]
    assert row["value"] == pytest.approx(0.625)
    assert (row["count"], row["selection"], row["stages"]) == (4, pytest.approx(0.9), ["x_seed0", "x_seed1"])
