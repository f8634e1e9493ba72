"""Escape codes, carriage returns and direction marks in names, ids and paths: written out on screen, page and table."""

import re

import pytest

from modelheir.cli import main

WILD = "cat\x1b[2J\x1b]0;owned\x07\rPASSED\u202etac\x9b31m"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SHOWN = r"cat\x1b[2J\x1b]0;owned\x07\rPASSED\u202etac\x9b31m"


def write(path, rows, head="sample_id,label,prediction,domain"):
    quoted = ["\n".join([head, *(",".join(f'"{cell}"' for cell in row) for row in rows)])]
    path.write_bytes((quoted[0] + "\n").encode())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODELHEIR_TRACEBACK", raising=False)
    write(tmp_path / "old.csv", [("a", WILD, WILD, WILD), ("b", "dog", "dog", "x"), ("c", WILD, WILD, "x")])
    write(tmp_path / f"n{WILD[:6]}.csv", [("a", WILD, "dog", WILD), ("b", "dog", "dog", "x"), ("c", WILD, WILD, "x")])
    return tmp_path


def test_a_comparison(here, capsys):
    words = [
        "compare",
        "old.csv",
        f"n{WILD[:6]}.csv",
        "--slice",
        "domain",
        "--max-class-nfr",
        "0.1",
        "--html",
        "p.html",
    ]
    assert main(words) == 3
    shown = capsys.readouterr()
    assert SHOWN in shown.out.replace("\n", "")
    for text in (shown.out, shown.err, *((here / name).read_text() for name in ("p.html", "p.table.csv"))):
        assert RAW.search(text) is None
    assert "\\u202etac" in (here / "p.html").read_text()
    assert "\\u202etac" in (here / "p.table.csv").read_text()


@pytest.mark.parametrize("column", ["sample_id", "label"])
def test_a_mistake(here, column, capsys):
    rows = [(f"{WILD}", "0", "7", "x"), (f"{WILD}", "0", "0", "x")]
    write(here / "bad.csv", rows if column == "sample_id" else [("a", "dog", "dog", WILD), ("b", "dog", "dog", "x")])
    assert main(["compare", "bad.csv", "old.csv", "--slice", "domain"]) == 2
    text = capsys.readouterr().err
    assert RAW.search(text) is None
    assert text.count("\n") == 1


def test_a_path(here, capsys):
    assert main(["compare", f"{WILD}.csv", "old.csv"]) == 2
    assert SHOWN.replace(r"\r", " ") in capsys.readouterr().err
