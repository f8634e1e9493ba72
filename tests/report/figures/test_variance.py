"""Bars are shares and the line their sums, on the scale of the ticks."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.report.figures.standalone import standalone, write_figure
from modelheir.report.figures.variance import VARIANCE_COLUMNS, variance, variance_rows

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(shares):
    """Return the heights of bars and of the line, as shares by the labels of the axis itself."""
    root = ElementTree.fromstring(str(variance(shares)))
    labels = [n for n in root.iter(f"{SPACE}text") if n.get("class") == "tick" and n.get("text-anchor") == "end"]
    scale = np.polyfit([float(n.get("y")) - 4 for n in labels], [float(n.text[:-1]) / 100 for n in labels], 1)
    bars = [n for n in root.iter(f"{SPACE}rect") if n.get("class") == "fill new"]
    heights = [np.polyval(scale, float(n.get("y"))) for n in bars]
    assert all(float(n.get("y")) + float(n.get("height")) == pytest.approx(256, abs=0.02) for n in bars)
    lines = [n.get("points").split() for n in root.iter(f"{SPACE}polyline")]
    line = [np.polyval(scale, float(pair.split(",")[1])) for pair in (lines[0] if lines else [])]
    return np.array(heights), np.array(line)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60))
def test_bars_are_shares_and_the_line_is_their_sum(shares):
    shares = (np.sort(shares)[::-1] / max(sum(shares), 1.0)).tolist()
    bars, line = drawn(shares)
    np.testing.assert_allclose(bars, shares, atol=1e-3)
    if len(shares) > 1:
        np.testing.assert_allclose(line, np.cumsum(shares), atol=1e-3)


def test_the_sum_is_told_and_one_component_has_no_line():
    assert "3 together 98.0%" in str(variance([0.7, 0.2, 0.08]))
    assert len(drawn([0.9])[1]) == 0
    assert variance_rows([0.7, 0.3 + 1e-12])[-1]["together"] == 1.0


def test_a_file_has_its_rules_and_numbers(tmp_path):
    path = write_figure(tmp_path / "a.svg", variance([0.6, 0.4]), variance_rows([0.6, 0.4]), VARIANCE_COLUMNS)
    text = path.read_text("utf-8")
    style = text[: text.index("</style>")]
    classes = set(" ".join(re.findall(r'class="([^"]*)"', text)).split())
    assert classes - set(re.findall(r"\.([\w-]+)", style)) == {"figure", "variance"}
    assert standalone(variance([0.6, 0.4])) == text
    assert path.with_suffix(".csv").read_text("utf-8").splitlines()[1] == "1,0.6,0.6"
