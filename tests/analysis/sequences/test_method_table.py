import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelheir.analysis.sequences.method_table import method_table
from modelheir.analysis.sequences.results import Column, Result
from modelheir.checks import InputError

COLUMNS = (
    Column("4k"),
    Column("FT"),
    Column("SFT", ("none", "linear", "exponential"), half=1),
    Column("20k", oracle=True),
)
ROWS = {"A": "a", "B": "b", "C": "c"}


def result(architecture, method, accuracy, seed=1007, validation=None, sequence="RCL", failed=""):
    return Result(architecture, method, sequence, seed, accuracy, validation, failed)


def table(results, **settings):
    return method_table(results, ROWS, columns=COLUMNS, **settings)


def cell(found, row, column):
    return next(one for one in found.rows if one.name == row).cells[column]


def grid(rng, seeds=(1, 2, 3)):
    """Every cell of the table but those of the schedules."""
    return [
        result(a, m, float(rng.uniform(0.3, 0.9)), seed=s)
        for a in "abc"
        for m in ("4k", "FT", "SFT", "20k")
        for s in seeds
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def test_a_cell_is_the_mean_of_its_seeds_with_students_interval(rng):
    results = grid(rng)
    found = cell(table(results), "B", "FT")
    values = [one.accuracy for one in results if one.architecture == "b" and one.method == "FT"]
    assert found.values == tuple(values)
    assert found.seeds == (1, 2, 3)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert found.interval == pytest.approx((max(low, 0), min(high, 1)))
    single = cell(table([result("a", "FT", 0.5)]), "A", "FT")
    assert (single.mean, single.interval, single.std) == (0.5, None, None)


@pytest.mark.parametrize(("rule", "chosen", "accuracy"), [("fixed", "linear", 0.6), ("compat", "exponential", 0.7)])
def test_the_schedule_is_chosen_by_validation_and_by_test_as_of_old(rule, chosen, accuracy):
    results = [
        result("a", "none", 0.5, validation=0.55),
        result("a", "linear", 0.6, validation=0.80),
        result("a", "exponential", 0.7, validation=0.75),
    ]
    found = cell(table(results, rule=rule), "A", "SFT")
    assert (found.chosen, found.mean, found.tried) == ((chosen,), accuracy, 3)


def test_each_seed_chooses_for_itself():
    results = [
        *(result("a", "none", 0.1 * k, seed=k, validation=0.9 if k == 2 else 0.1) for k in (1, 2, 3)),
        *(result("a", "linear", 0.5 + 0.1 * k, seed=k, validation=0.5) for k in (1, 2, 3)),
    ]
    found = cell(table(results), "A", "SFT")
    assert found.chosen == ("linear", "none", "linear")
    assert found.mean == pytest.approx((0.6 + 0.2 + 0.8) / 3)


def test_the_older_rule_counts_one_seed(rng):
    results = [*grid(rng), result("a", "FT", 0.123)]
    assert cell(table(results, rule="compat"), "A", "FT").values == (0.123,)
    assert cell(table(results), "A", "FT").seeds == (1, 2, 3, 1007)
    with pytest.raises(InputError, match="no result of seed 1007"):
        table(grid(rng), rule="compat")


def test_marks_of_cells():
    """Worked by hand: best without oracle is .70, the oracle .74."""
    results = [result("a", m, v) for m, v in {"4k": 0.68, "FT": 0.70, "SFT": 0.679, "20k": 0.74}.items()]
    found = table(results)
    assert {c.name: cell(found, "A", c.name).mark for c in COLUMNS} == {
        "4k": "best",
        "FT": "best",
        "SFT": "",
        "20k": "",
    }
    results = [dataclasses.replace(one, accuracy=0.72 if one.method == "20k" else one.accuracy) for one in results]
    assert cell(table(results), "A", "FT").mark == "oracle"
    assert cell(table(results), "A", "4k").mark == "best"
    assert cell(table(results, tolerance=0.05), "A", "SFT").mark == "oracle"
    assert cell(table(results[:3]), "A", "FT").mark == "best"  # no oracle, none is as good as it


def test_means_stds_and_marks_over_rows():
    """FT leads by .1, .0 and .1; the differences have mean .0667 and standard deviation .0471."""
    values = {"FT": (0.7, 0.6, 0.8), "4k": (0.6, 0.6, 0.7), "SFT": (0.9, 0.78, 0.3), "20k": (0.9, 0.8, 0.9)}
    found = table([result(a, m, v) for m, row in values.items() for a, v in zip("abc", row, strict=True)])
    for name, row in values.items():
        one = found.summaries[name]
        assert (one.mean, one.std, one.rows) == pytest.approx((np.mean(row), np.std(row), 3))
    gaps = np.array(values["FT"]) - values["SFT"]
    assert gaps.mean() - gaps.std() < 0 < np.mean([0.1, 0, 0.1]) - np.std([0.1, 0, 0.1])
    marks = {name: one.mark for name, one in found.summaries.items()}
    assert marks == {"4k": "", "FT": "best", "SFT": "oracle", "20k": ""}
    oracle_gaps = np.array(values["20k"]) - values["SFT"]
    assert oracle_gaps.mean() - oracle_gaps.std() < 0
    behind = found.summaries["4k"]
    assert behind.behind == pytest.approx(np.mean([0.1, 0, 0.1]))
    assert behind.behind_interval == pytest.approx(
        stats.t.interval(0.95, 2, np.mean([0.1, 0, 0.1]), stats.sem([0.1, 0, 0.1]))
    )
    assert found.summaries["FT"].behind is None


def test_ranks_are_those_of_scipy_without_the_oracle(rng):
    results = grid(rng)
    found = table(results)
    names = ["4k", "FT", "SFT"]
    ranks = np.array([stats.rankdata([-cell(found, row, n).mean for n in names]) for row in ROWS])
    for k, name in enumerate(names):
        assert [cell(found, row, name).rank for row in ROWS] == list(ranks[:, k])
        assert found.summaries[name].rank == pytest.approx(ranks[:, k].mean())
    assert found.summaries["20k"].rank is None
    tied = table([result("a", m, 0.5) for m in ("4k", "FT")])
    assert cell(tied, "A", "4k").rank == cell(tied, "A", "FT").rank == 1.5


def test_missing_and_failed_runs_are_there():
    results = [
        result("a", "FT", 0.5, seed=1),
        result("a", "FT", None, seed=2, failed="out of memory"),
        result("b", "FT", None, seed=1),
        result("a", "surgical", 0.9, seed=1),
    ]
    found = table(results)
    assert cell(found, "A", "FT").values == (0.5,)
    assert cell(found, "A", "FT").failed == ("FT of a on RCL, seed 2: out of memory",)
    assert cell(found, "B", "FT").mean is None
    assert len(cell(found, "B", "FT").failed) == 1
    assert cell(found, "C", "FT") == cell(found, "C", "4k")
    assert found.summaries["FT"].rows == 1
    assert found.left_out == ("surgical",)
    assert found.summaries["4k"].mean is None


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_the_order_of_results_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    results = grid(rng)
    assert table([results[k] for k in rng.permutation(len(results))]) == table(results)


def test_rows_may_be_sequences():
    results = [result("a", "FT", 0.1 * k, sequence="s" * k) for k in (2, 3, 4)]
    found = method_table(results, {str(k): "s" * k for k in (2, 3, 4)}, by="sequence", columns=COLUMNS, name="# steps")
    assert [row.cells["FT"].mean for row in found.rows] == pytest.approx([0.2, 0.3, 0.4])
    assert found.name == "# steps"


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([], "no result for any row"),
        ([result("a", "FT", 0.5), result("a", "FT", 0.6)], "comes twice"),
        ([result("a", "FT", 50.0)], "no accuracy: must be a fraction"),
        ([result("a", "FT", 0.5), result("b", "FT", 0.5, sequence="CLR")], "results are of CLR, RCL"),
        ([result("a", "none", 0.5, validation=0.5), result("a", "linear", 0.6)], "has no validation accuracy"),
    ],
)
def test_what_makes_no_table_is_refused(results, words):
    with pytest.raises(InputError, match=words):
        table(results)
    with pytest.raises(InputError, match="Did you mean 'compat'"):
        table(results, rule="compt")
