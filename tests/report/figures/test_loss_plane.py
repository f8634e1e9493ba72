"""Shades are the values of the surface, the key tells them, and what is drawn stands where the ticks put it."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from modelheir.checks import InputError
from modelheir.report.figures.loss_plane import Surface, loss_plane, surface_rows, way_key
from modelheir.report.figures.standalone import standalone

SPACE = "{http://www.w3.org/2000/svg}"
HOSTILE = "</svg><script>alert('&')</script>"
WAYS = {"cut": [(1.0, 0.5)], HOSTILE: [(1.0, 0.5), (0.2, 0.1)]}


def bowl(quantity="loss", high=1.0):
    x, y = np.linspace(-2, 2, 9), np.linspace(-1, 1, 5)
    value = np.array([[a**2 + b**2 for a in x] for b in y])
    value = 0.1 + value * high if quantity == "loss" else 0.9 - 0.1 * value
    return Surface(x.tolist(), y.tolist(), value.tolist(), quantity)


def shade_at(root, left, top):
    """Return the opacity of what is drawn over a place, in the map or in the key."""
    for n in root.iter(f"{SPACE}rect"):
        if n.get("class") == "shade":
            x, y, w, h = (float(n.get(key)) for key in ("x", "y", "width", "height"))
            if x <= left < x + w and y <= top < y + h:
                return float(n.get("fill-opacity"))
    return 0.0


def scale(root, axis):
    anchor = "middle" if axis == "x" else "end"
    found = [n for n in root.iter(f"{SPACE}text") if n.get("class") == "tick" and n.get("text-anchor") == anchor]
    values = [float(n.text.replace("\N{MINUS SIGN}", "-")) for n in found]
    return np.polyfit(values, [float(n.get(axis)) - (4 if axis == "y" else 0) for n in found], 1)


@pytest.mark.parametrize(("quantity", "high"), [("loss", 1.0), ("loss", 40.0), ("accuracy", 1.0)])
def test_the_shade_of_a_place_is_that_of_its_value_in_the_key(quantity, high):
    held = bowl(quantity, high)
    between = RegularGridInterpolator((held.y, held.x), np.array(held.value))
    root = ElementTree.fromstring(str(loss_plane(held)))
    x, y = scale(root, "x"), scale(root, "y")
    key = [n for n in root.iter(f"{SPACE}text") if n.get("class") == "tick" and n.get("text-anchor") is None]
    levels = [float(n.text[:-1]) / 100 if n.text.endswith("%") else float(n.text) for n in key]
    heights = [float(n.get("y")) - 4 for n in key]
    assert levels == sorted(levels)
    bands = [*(height + 5 for height in heights), heights[-1] - 5]  # a place within each band of the key
    for a, b in ((0.03, 0.02), (1.97, 0.98), (-1.2, 0.4), (0.5, -0.9)):
        value = between((b, a)).item()
        band = int(np.searchsorted(levels, value))
        shades = {shade_at(root, 380.0, bands[k]) for k in range(max(band - 1, 0), min(band + 2, len(bands)))}
        assert shade_at(root, np.polyval(x, a), np.polyval(y, b)) in shades
    middle, corner = (shade_at(root, np.polyval(x, a), np.polyval(y, b)) for a, b in ((0.0, 0.0), (1.98, 0.98)))
    assert middle < corner  # the worse, the darker


def test_ways_end_at_their_marks_and_names_are_text():
    root = ElementTree.fromstring(str(loss_plane(bowl(), path=[(-1.0, 0.0, 0), (1.0, 0.5, 9)], ways=WAYS)))
    x, y = scale(root, "x"), scale(root, "y")
    lines = [n for n in root.iter(f"{SPACE}polyline") if "curve" in n.get("class")]
    (points,) = [np.array([pair.split(",") for pair in n.get("points").split()], float) for n in lines]
    np.testing.assert_allclose(points[-1], [np.polyval(x, 0.2), np.polyval(y, 0.1)], atol=0.05)
    marks = [n.get("class") for n in root.iter(f"{SPACE}g") if (n.get("class") or "").startswith("mark s")]
    assert marks == ["mark s0", "mark s1"]
    titles = [n.text for n in root.iter(f"{SPACE}title")]
    assert f"{HOSTILE}: (0.2, 0.1)" in titles
    assert way_key(WAYS) == [("cut", 0, ""), (HOSTILE, 1, "path")]


def test_a_place_without_a_value_is_as_dark_as_the_worst_and_no_spread_has_no_levels():
    held = bowl()
    value = [list(row) for row in held.value]
    value[0][0] = None
    root = ElementTree.fromstring(str(loss_plane(Surface(held.x, held.y, value))))
    assert shade_at(root, 60.0, 314.0) == 0.62
    flat = ElementTree.fromstring(str(loss_plane(Surface([0.0, 1.0], [0.0, 1.0], [[0.5, 0.5], [0.5, 0.5]]))))
    assert shade_at(flat, 200.0, 200.0) == 0.0
    assert surface_rows(Surface([0.0, 1.0], [2.0, 3.0], [[1, 2], [3, 4]]))[2] == {"x": 0.0, "y": 3.0, "value": 3}


def test_what_is_no_surface_is_refused():
    with pytest.raises(ValueError, match="a surface over 2 by 2 places, at least 2 by 2, needs a value for each"):
        Surface([0.0, 1.0], [0.0, 1.0], [[1.0, 2.0]])
    with pytest.raises(InputError, match=r"unknown quantity 'los'\. Did you mean 'loss'"):
        Surface([0.0, 1.0], [0.0, 1.0], [[1.0, 2.0]] * 2, "los")


def test_every_class_of_the_picture_has_a_rule_in_its_file():
    text = standalone(loss_plane(bowl(), path=[(-1.0, 0.0, 0), (0.0, 0.3, 4), (1.0, 0.5, 9)], ways=WAYS))
    styled = set(re.findall(r"\.([\w-]+)", text[: text.index("</style>")]))
    assert set(" ".join(re.findall(r'class="([^"]*)"', text)).split()) - styled == {"figure", "loss-plane", "solid"}
    assert "var(" not in text
