import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.report import table


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")'])
def test_a_formula_is_defused(name):
    assert table.cell(name) == "'" + name.replace("\r", " ")
    text = table.to_csv([{"name": name}], ["name"])
    assert next(csv.reader(io.StringIO(text[len("name\n") :], newline=""))) == ["'" + name.replace("\r", " ")]


@settings(deadline=None, max_examples=25)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_not_rounded(value):
    assert float(table.cell(value)) == value


def test_interval_ends_get_columns():
    rows = [{"name": "a", "nfr": 0.2, "nfr_interval": [0.1, 0.3]}, {"name": "b, c", "nfr": float("nan")}]
    assert table.to_csv(rows, ["name", "nfr", "nfr_low", "nfr_high"]) == (
        'name,nfr,nfr_low,nfr_high\na,0.2,0.1,0.3\n"b, c",,,\n'
    )
