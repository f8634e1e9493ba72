import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics import flips
from modelheir.metrics.flips import FRACTIONS, flip_rates, rates

files = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 3), min_size=n, max_size=n).map(np.array)] * 3)
)
many = settings(deadline=None, max_examples=40)


def test_the_worked_example(worked):
    old, new, _ = worked
    found = flip_rates(*worked)
    expected = {
        "accuracy_old": 0.75,
        "accuracy_new": 0.75,
        "accuracy_gain": 0,
        "nfr": 0.25,
        "pfr": 0.25,
        "relative_nfr": 4 / 3,
        "nfi": 1,
        "pfi": 1 / 3,
        "btc": 2 / 3,
        "bec_new": 0,
        "bec_old": 0,
        "churn": 0.5,
        "nfr_multi": 0.25,
    }
    assert found == pytest.approx(expected)
    assert flips.negative_flip_rate(*worked) == 0.25
    assert flips.positive_flip_rate(*worked) == 0.25
    assert flips.relative_negative_flip_rate(*worked) == pytest.approx(4 / 3)
    assert flips.negative_flip_impact(*worked) == 1
    assert flips.positive_flip_impact(*worked) == pytest.approx(1 / 3)
    assert flips.backward_trust_compatibility(*worked) == pytest.approx(2 / 3)
    assert flips.backward_error_compatibility(*worked) == 0
    assert flips.churn(old, new) == 0.5
    assert flips.negative_flip_rate_multiclass(*worked) == 0.25


@pytest.mark.parametrize(
    ("error_old", "error_new", "nfr", "relative"),
    [(0.3024, 0.3047, 0.0235, 0.1106), (0.2607, 0.2598, 0.0170, 0.0885)],  # Yan et al. 2021, table 2a
)
def test_relative_nfr_of_published_rows(error_old, error_new, nfr, relative):
    negative, both_wrong = nfr, error_new - nfr
    counts = np.array([1 - error_old - negative, negative, error_old - both_wrong, both_wrong, 0]) * 10_000
    assert rates(counts)["relative_nfr"] == pytest.approx(relative, abs=5e-5)


@many
@given(files)
def test_against_a_plain_loop(rows):
    count = dict.fromkeys(("lost", "won", "right_old", "right_new", "churn", "both", "multi"), 0)
    for a, b, y in zip(*rows, strict=True):
        count["lost"] += a == y and b != y
        count["won"] += a != y and b == y
        count["right_old"] += a == y
        count["right_new"] += b == y
        count["churn"] += a != b
        count["both"] += a != y and b != y
        count["multi"] += b not in (y, a)
    n = len(rows[2])
    wrong_old, wrong_new = n - count["right_old"], n - count["right_new"]
    found = flip_rates(*rows)
    assert found["nfr"] == count["lost"] / n
    assert found["pfr"] == count["won"] / n
    assert found["churn"] == count["churn"] / n
    assert found["nfr_multi"] == count["multi"] / n
    assert found["nfi"] == (count["lost"] / wrong_new if wrong_new else 0)
    assert found["pfi"] == (count["won"] / count["right_new"] if count["right_new"] else 0)
    assert found["bec_new"] == (count["both"] / wrong_new if wrong_new else 1)
    assert found["bec_old"] == (count["both"] / wrong_old if wrong_old else 1)


@many
@given(files)
def test_identities_and_bounds(rows):
    found = flip_rates(*rows)
    old, new, nfr = found["accuracy_old"], found["accuracy_new"], found["nfr"]
    assert (1 - new) - (1 - old) == pytest.approx(nfr - found["pfr"])
    assert max(0, old - new) - 1e-12 <= nfr <= min(old, 1 - new) + 1e-12
    assert found["nfi"] == pytest.approx(1 - found["bec_new"])
    assert found["btc"] == pytest.approx(1 - nfr / old if old else 1)
    assert not any(np.isnan(value) for value in found.values())


@many
@given(files, st.randoms(use_true_random=False))
def test_roles_permutations_and_a_model_with_itself(rows, random):
    old, new, label = rows
    found, swapped = flip_rates(*rows), flip_rates(new, old, label)
    assert (found["nfr"], found["pfr"]) == (swapped["pfr"], swapped["nfr"])
    assert flip_rates(old, old, label)["nfr"] == 0
    order = random.sample(range(len(label)), len(label))
    assert flip_rates(old[order], new[order], label[order]) == found


def test_empty_denominators_have_stated_values():
    perfect = flip_rates([0, 1], [0, 1], [0, 1])
    assert (perfect["nfi"], perfect["bec_new"], perfect["bec_old"], perfect["relative_nfr"]) == (0, 1, 1, 0)
    hopeless = flip_rates([1, 0], [1, 0], [0, 1])
    assert (hopeless["btc"], hopeless["pfi"], hopeless["relative_nfr"]) == (1, 0, 0)
    assert all(np.isnan(value) for value in rates(np.zeros(5, int)).values())


def test_rates_of_many_groups_at_once():
    counts = np.random.default_rng(0).integers(0, 9, (6, 2, 5))
    together = rates(counts)
    assert set(together) == {*FRACTIONS, "relative_nfr", "accuracy_gain"}
    for name, values in together.items():
        assert values.shape == (6, 2)
        assert values[3, 1] == pytest.approx(rates(counts[3, 1])[name])


def test_errors():
    with pytest.raises(ValueError, match="at least one image"):
        flip_rates([], [], [])
    with pytest.raises(ValueError, match="shapes must be equal"):
        flip_rates([0], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="errors_of must be"):
        flips.backward_error_compatibility([0], [0], [0], errors_of="both")
