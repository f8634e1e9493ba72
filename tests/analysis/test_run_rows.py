import dataclasses

import numpy as np
import pytest
from scipy.stats import binomtest

from modelheir.analysis.compare import compare
from modelheir.analysis.run_rows import accuracy, run_row


def test_a_run_alone_has_its_error_with_the_exact_interval(make):
    new = make(2)
    new = dataclasses.replace(new, label=np.where(np.arange(120) < 20, -1, new.label))
    row = run_row("v2", new)
    right = (new.prediction == new.label)[20:]
    ends = binomtest(int((~right).sum()), 100).proportion_ci(0.95, method="exact")
    assert (row["name"], row["n"], row["error"]) == ("v2", 100, pytest.approx(1 - right.mean()))
    assert row["error_interval"] == pytest.approx([ends.low, ends.high])
    assert "nfr" not in row


def test_a_run_against_an_old_model(make):
    old, new = make(1), make(2)
    row, found = run_row("v2", new, old), compare(old, new)
    for name in ("nfr", "pfr", "relative_nfr", "churn"):
        assert row[name] == found[name]
    assert row["relative_nfr_interval"] == found["intervals"]["relative_nfr"]
    assert row["error_old"] == pytest.approx(1 - found["accuracy_old"])
    assert "gate" not in row
    assert run_row("v2", new, old, max_nfr=0.0)["gate"].passed is False


def test_without_labels_nothing_is_known(make):
    rate, count = accuracy(dataclasses.replace(make(1), label=np.full(120, -1)))
    assert (rate.value, rate.interval, count) == (None, None, 0)


def test_the_interval_of_an_accuracy_has_the_confidence_asked_for(make):
    one = make(1)
    ends = binomtest(int((one.prediction == one.label).sum()), 120).proportion_ci(0.8, method="exact")
    assert accuracy(one, confidence=0.8)[0].interval == pytest.approx((ends.low, ends.high))
