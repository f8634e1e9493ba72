"""Lines that eyes, print and colour blindness tell apart: no two of a page share colour, dashes and mark."""

import re

import pytest

from modelheir.report import figures
from modelheir.report.figures.series import STYLES, key, mark, style


def shape(number):
    """Draw a mark at a fixed place; equal text is an equal picture."""
    return str(mark(number, 10.0, 10.0))


@pytest.mark.parametrize("count", [9, STYLES, 60])
def test_no_two_series_look_alike(count):
    assert len({(style(k), shape(k)) for k in range(count)}) == count


def test_twelve_series_differ_without_any_colour():
    """Marks alone, as in a copy in one ink."""
    assert STYLES >= 12
    assert len({shape(k) for k in range(STYLES)}) == STYLES


def test_the_key_shows_what_the_curves_draw():
    names = [f"run {k}" for k in range(13)]
    lines = {name: [(0, 1.0), (1, 1.0 / (k + 2))] for k, name in enumerate(names)}
    drawn = str(figures.curves("loss", lines, order=names))
    for number, (name, sample) in enumerate(key(names)):
        assert name == names[number]
        assert f'class="curve {style(number)}"' in sample
        assert f'class="mark {style(number)}"' in sample
        kind = re.search(r"<g[^>]*><(\w+)", str(sample)).group(1)
        at = drawn.index(f"<title>{name}:", drawn.index(f'class="mark {style(number)}"') - 400)
        assert f"<{kind}" in drawn[at:]


def test_marks_stand_at_the_points_and_at_the_end():
    lines = {"a": [(float(k), float(k)) for k in range(101)]}
    spots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', str(figures.curves("x", lines, order=["a"])))
    points = re.search(r'points="([^"]+)"', str(figures.curves("x", lines, order=["a"]))).group(1).split()
    assert 3 <= len(spots) <= 8
    assert {(float(x), float(y)) for x, y in spots} <= {tuple(map(float, one.split(","))) for one in points}
    assert tuple(map(float, spots[-1])) == tuple(map(float, points[-1].split(",")))
