"""The table of docs/evidence/gate.md is that of its JSON, and the rows that are sums are computed again."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told():
    return json.loads((ROOT / "docs/evidence/gate_coverage.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("coverage_benchmark", ROOT / "benchmarks" / "coverage.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_shows_the_worst_of_every_table(told):
    text = (ROOT / "docs/evidence/gate.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(r"\| .* \| \d+ \| ", line)]
    order = ("share", "classes", "gain", "calibration", "relative", "graded", "wilson", "newcombe")
    assert len(lines) == len(order) == len(told["tables"])
    for line, name in zip(lines, order, strict=True):
        table = told["tables"][name]
        rows, wrong = table["rows"], table["ships_wrongly"]
        other = {"low_above": "high_below", "high_below": "low_above"}.get(wrong)
        cells = [cell.strip() for cell in line.strip("|").split("|")][2:]
        worst = [f"{100 * max(row[end] for row in rows):.2f} %" if end else "" for end in (wrong, other)]
        assert cells == [str(len(rows)), f"{100 * min(row['coverage'] for row in rows):.2f} %", *worst], name


def test_the_goals_hold(told, benchmark):
    for name, table in told["tables"].items():
        if name in ("wilson", "newcombe"):
            continue
        assert min(row["coverage"] for row in table["rows"]) >= 0.93, name
        for row in table["rows"]:
            if table["ships_wrongly"]:
                assert row[table["ships_wrongly"]] <= benchmark.limit(row["draws"]), (name, row)


def test_rows_that_are_sums_are_found_again(told, benchmark):
    for name in ("share", "classes", "wilson"):
        for row, again in zip(told["tables"][name]["rows"], benchmark.TABLES[name][1](0), strict=True):
            assert row == pytest.approx(again)
