"""What docs/average.md says was found stands in the record; the arithmetic here is SciPy's."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

DOCS = Path(__file__).parents[2] / "docs"
SEEDS = json.loads((DOCS / "evidence" / "average.json").read_text(encoding="utf-8"))["seeds"]
PAGE = " ".join((DOCS / "average.md").read_text(encoding="utf-8").split())


def said(values):
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    return f"{100 * np.mean(values):+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def of(part, name, measure):
    return np.array([one[part][name][measure] for one in SEEDS])


def line(part, name):
    accuracy, old = of(part, name, "accuracy"), of(part, name, "old")
    nfr = said(of(part, name, "nfr")).replace("+", "")
    return f"| {100 * accuracy.mean():.2f} | {said(accuracy - old)} | {nfr} |"


@pytest.mark.parametrize(("part", "name"), [(part, name) for part in ("cut", "tuned") for name in SEEDS[0][part]])
def test_each_row_of_the_table_is_of_the_record(part, name):
    assert line(part, name) in PAGE


def test_the_findings_are_of_the_record():
    assert len(SEEDS) == 8
    for part, word in (("cut", "neighbours"), ("tuned", "far apart")):
        change = of(part, "uniform", "accuracy") - of(part, "uniform, not recalibrated", "accuracy")
        assert f"{word}: {said(change)}" in PAGE
    fewer = of("tuned", "auto", "nfr") - of("tuned", "another", "nfr")
    assert f"{said(fewer)} points of NFR" in PAGE
    for part in ("cut", "tuned"):
        assert f"{100 * of(part, 'auto', 'old').mean():.2f} %" in PAGE
        assert ttest_1samp(of(part, "auto", "accuracy") - of(part, "auto", "old"), 0).pvalue < 0.05
