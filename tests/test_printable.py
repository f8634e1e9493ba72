"""Other people's text: nothing of it reaches a terminal raw."""

import ast
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.printable import printable, shorten

SOURCE = Path(__file__).resolve().parents[1] / "src" / "modelheir"


@given(st.text(st.characters(exclude_categories=())))
def test_no_control_survives_and_the_rest_is_untouched(text):
    shown = printable(text)
    kinds = {unicodedata.category(letter) for letter in shown}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(letter) for letter in shown} & {
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    }  # fmt: skip
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


def test_what_it_looks_like():
    assert printable("a\x1b[31m\r\n\u202eb\udcff") == r"a\x1b[31m\r\n\u202eb\udcff"
    assert printable("a\nb\x07", keep="\n") == "a\nb\\x07"
    assert printable("naïve 猫 👩‍🔬") == "naïve 猫 👩‍🔬"


@pytest.mark.parametrize("size", [79, 80])
def test_short_text_stays(size):
    assert shorten("x" * size) == "x" * size


def test_long_text_is_cut():
    assert len(shorten("x" * 1_000_000)) < 120


@pytest.mark.parametrize(
    "path", [*sorted((SOURCE / "cli").rglob("*.py")), SOURCE / "calls.py"], ids=lambda path: path.name
)
def test_only_the_screen_prints(path):
    """Every file of the command line says what it says through ``screen.say``, which escapes."""
    found = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert found == []
