import numpy as np
import pytest

from modelheir.analysis.compare import compare
from modelheir.analysis.front import plane, plane_hypervolume
from modelheir.checks import InputError


def test_rows_are_those_of_compare(make):
    old, models = make(0), {"b": make(1, strength=3), "a": make(2, order=1)}
    rows = plane(old, models, confidence=0.9)
    assert [row["name"] for row in rows] == ["b", "a"]
    for row in rows:
        expected = compare(old, models[row["name"]], confidence=0.9)
        assert row["error"] == pytest.approx(1 - expected["accuracy_new"])
        assert row["nfr"] == expected["nfr"]
        assert row["nfr_interval"] == expected["intervals"]["nfr"]
        low, high = expected["intervals"]["accuracy_new"]
        assert row["error_interval"] == pytest.approx([1 - high, 1 - low])
    assert any(row["on_front"] for row in rows)
    assert plane(old, {}) == []


def test_hypervolume_and_errors(make, rows):
    table = [{"error": 0.1, "nfr": 0.02}, {"error": 0.2, "nfr": 0.01}]
    assert plane_hypervolume(table, error=0.3, nfr=0.03) == pytest.approx(0.2 * 0.01 + 0.1 * 0.01)
    assert plane_hypervolume([], error=0.3, nfr=0.03) == 0
    with pytest.raises(InputError, match="v2 lacks 100 sample ids of the old file"):
        plane(make(0), {"v2": rows(make(1), np.arange(20))})
