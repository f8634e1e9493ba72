"""The classes that occur set the cost of a comparison, however large their numbers are."""

import resource

import numpy as np
import pytest

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.types import Predictions

LARGE = 10**12


def pair(numbers, **scores):
    rng = np.random.default_rng(0)
    ids = np.array([str(row) for row in range(100)])
    label, old, new = (numbers[rng.integers(0, len(numbers), 100)] for _ in range(3))
    return Predictions(ids, label, old, **scores), Predictions(ids, label, new)


@pytest.mark.parametrize("gate", [None, GateConfig(max_nfr=0.5, max_class_nfr=0.5)])
def test_large_numbers_give_what_small_ones_give(gate):
    small = np.array([0, 1, 2, 3])
    large = np.array([3, 10**7, 10**9 + 1, LARGE])
    expected, found = (compare(*pair(numbers), gate=gate) for numbers in (small, large))
    names = {None: None, **{str(one): str(other) for one, other in zip(small, large, strict=True)}}
    assert found["n_classes"] == LARGE + 1
    for name in ("nfr", "intervals", "counts", "mcnemar_p", "flips"):
        assert found[name] == expected[name]
    words = ("class", "confused_with_old", "confused_with_new")
    assert [dict(row) for row in found["per_class"]] == [
        {**row, **{key: names[row[key]] for key in words}} for row in expected["per_class"]
    ]
    assert found["confusion"] == {
        key: [names[name] for name in column] if key in ("label", "prediction") else column
        for key, column in expected["confusion"].items()
    }
    assert found["gate"]["passed"] == expected["gate"]["passed"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # kilobytes


def test_beside_scores():
    """One model has scores for three classes, and the other, without scores, answers with a number far beyond."""
    old, new = pair(np.arange(3))
    new.prediction[0] = LARGE
    old = Predictions(old.sample_id, old.label, old.prediction, logits=np.eye(3, dtype=np.float32)[old.prediction])
    found = compare(old, new)
    assert found["n_classes"] == LARGE + 1
    assert "calibration" in found
