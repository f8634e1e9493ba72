"""Panels of one sheet share what their lines mean."""

from modelheir.bench.pictures.sheets import _filled
from modelheir.report.figures.interpolation import BasinLine, interpolation


def test_a_strategy_that_a_panel_lacks_keeps_its_place():
    held = BasinLine("b", "joint", [(0.0, 0.5), (1.0, 0.75)])
    found = _filled([held], ["a", "b"])
    assert [one.name for one in found] == ["a", "b"]
    assert found[1] is held
    drawn = str(interpolation(found))
    assert 'class="curve s1 f3"' in drawn
    assert "curve s0" not in drawn
