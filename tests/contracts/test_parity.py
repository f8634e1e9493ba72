"""docs/parity.md has a row for every feature, and a row that says it works names a test that is there."""

import re
from collections import Counter

import pytest

FAMILIES = {"PC": 101, "SD": 66, "SF": 76, "MC": 63, "DR": 45}
STATUSES = {"works", "partial", "planned", "out"}
HEAD = "| id | what | where | test | status |"


@pytest.fixture(scope="module")
def rows(root):
    text = (root / "docs" / "parity.md").read_text(encoding="utf-8")
    assert HEAD in text
    found = {}
    for line in text.splitlines():
        if re.match(r"\| [A-Z]{2}-\d+ \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 5, line
            assert cells[0] not in found, f"{cells[0]} has two rows"
            found[cells[0]] = dict(zip(("what", "where", "test", "status"), cells[1:], strict=True))
    return found


def test_every_feature_has_one_row(rows):
    wanted = {f"{family}-{number}" for family, last in FAMILIES.items() for number in range(1, last + 1)}
    assert set(rows) == wanted
    assert len(rows) == 351
    assert Counter(name[:2] for name in rows) == FAMILIES


def test_rows_are_complete(rows):
    assert {row["status"] for row in rows.values()} <= STATUSES
    assert [name for name, row in rows.items() if not row["what"] or not row["where"]] == []


def test_a_row_that_works_names_tests_that_are_there(root, rows):
    faults = []
    for name, row in rows.items():
        nodes = re.findall(r"tests/[\w/.-]+\.py::[\w:]+", row["test"])
        if row["status"] == "works" and not nodes:
            faults.append(f"{name} names no test")
        for node in nodes:
            path, *parts = node.split("::")
            text = (root / path).read_text(encoding="utf-8") if (root / path).is_file() else ""
            if not all(re.search(rf"^\s*(?:async )?(?:def|class) {part}\b", text, re.M) for part in parts):
                faults.append(f"{name}: {node} is not there")
    assert faults == []


def test_a_row_that_is_out_says_why(rows):
    out = {name: row for name, row in rows.items() if row["status"] == "out"}
    assert {"PC-91", *(f"PC-{n}" for n in range(96, 102))} <= set(out)
    assert [name for name, row in out.items() if len(row["where"].split()) < 5] == []


def test_files_named_are_there(root, rows):
    """The place of a row that works is a file or folder of the project."""
    faults = []
    for name, row in rows.items():
        if row["status"] == "works":
            for place in re.findall(r"`([\w./-]+/[\w./-]*)`", row["where"]):
                tried = [root / place, root / "src" / "modelheir" / place]
                if not any(one.exists() for one in tried):
                    faults.append(f"{name}: {place}")
    assert faults == []
