"""The way of the weights: points where the ticks put them, darker with the steps, both ends named inside the frame."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.report.figures.standalone import standalone
from modelheir.report.figures.trajectory import trajectory, trajectory_rows

SPACE = "{http://www.w3.org/2000/svg}"
PATH = [(-2.0, 1.0, 0), (-1.0, 3.0, 10), (0.5, 2.0, 20), (4.0, -1.0, 30)]


def parse(markup):
    return ElementTree.fromstring(str(markup))


def scale(root, axis):
    anchor = "middle" if axis == "x" else "end"
    found = [n for n in root.iter(f"{SPACE}text") if n.get("class") == "tick" and n.get("text-anchor") == anchor]
    values = [float(n.text.replace("\N{MINUS SIGN}", "-")) for n in found]
    return np.polyfit(values, [float(n.get(axis)) - (4 if axis == "y" else 0) for n in found], 1)


def test_points_stand_where_the_ticks_put_them():
    root = parse(trajectory(PATH, shares=[0.7, 0.2]))
    (line,) = root.iter(f"{SPACE}polyline")
    points = np.array([pair.split(",") for pair in line.get("points").split()], float)
    expected = [(np.polyval(scale(root, "x"), x), np.polyval(scale(root, "y"), y)) for x, y, _ in PATH]
    np.testing.assert_allclose(points, expected, atol=0.05)
    dots = [n for n in root.iter(f"{SPACE}circle") if n.get("class") == "dot"]
    np.testing.assert_allclose([(float(n.get("cx")), float(n.get("cy"))) for n in dots], points[1:-1])
    shades = [float(n.get("opacity")) for n in dots]
    assert shades == sorted(shades)
    assert shades[0] < shades[1] <= 1
    names = [n.text for n in root.iter(f"{SPACE}text") if n.get("class") == "name"]
    assert names == ["Component 1 (70% of the variance)", "Component 2 (20% of the variance)"]
    assert trajectory_rows(PATH)[1] == {"step": 10, "x": -1.0, "y": 3.0}


def test_ways_end_at_their_marks_and_names_are_text():
    hostile = "</svg><script>alert('&')</script>"
    ways = {"SWA": [(7.0, 0.5)], hostile: [(4.0, -1.0), (1.0, 6.0)]}
    root = parse(trajectory(PATH, ways=ways))
    (line,) = [n for n in root.iter(f"{SPACE}polyline") if n.get("class") == "curve s1"]
    end = np.array(line.get("points").split()[-1].split(","), float)
    np.testing.assert_allclose(end, [np.polyval(scale(root, "x"), 1.0), np.polyval(scale(root, "y"), 6.0)], atol=0.05)
    mark = next(n for n in root.iter(f"{SPACE}g") if n.get("class") == "mark s0")
    circle = next(mark.iter(f"{SPACE}circle"))
    assert float(circle.get("cx")) == pytest.approx(np.polyval(scale(root, "x"), 7.0), abs=0.05)  # within the frame
    assert f"{hostile}: (1, 6)" in [n.text for n in root.iter(f"{SPACE}title")]


def test_the_ring_is_the_start_and_the_diamond_the_end():
    root = parse(trajectory(PATH))
    marks = [n for n in root.iter(f"{SPACE}g") if n.get("class") == "mark"]
    (ring,), (diamond,) = marks[0].iter(f"{SPACE}circle"), marks[1].iter(f"{SPACE}polygon")
    assert ring.get("class") == "hollow"
    assert float(ring.get("cx")) == pytest.approx(np.polyval(scale(root, "x"), -2.0), abs=0.05)
    corners = np.array([pair.split(",") for pair in diamond.get("points").split()], float)
    assert corners.mean(axis=0)[0] == pytest.approx(np.polyval(scale(root, "x"), 4.0), abs=0.05)
    told = [n.text for n in root.iter(f"{SPACE}title")]
    assert {"step 0: (\N{MINUS SIGN}2, 1)", "step 10: (\N{MINUS SIGN}1, 3)", "step 30: (4, \N{MINUS SIGN}1)"} <= set(
        told
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=30))
def test_names_of_ends_stay_within_the_picture(places):
    root = parse(trajectory([(x, y, k) for k, (x, y) in enumerate(places)]))
    names = [n for n in root.iter(f"{SPACE}text") if n.get("class") == "label halo"]
    assert [n.text for n in names] == (["start", "end"] if len(places) > 1 else ["start"])
    for n in names:
        wide = 6.6 * len(n.text) * (-1 if n.get("text-anchor") == "end" else 1)
        ends = sorted((float(n.get("x")), float(n.get("x")) + wide))
        assert ends[0] >= 50
        assert ends[1] <= 440
        assert 30 <= float(n.get("y")) <= 286


def test_every_class_of_the_picture_has_a_rule_in_its_file():
    text = standalone(trajectory(PATH))
    styled = set(re.findall(r"\.([\w-]+)", text[: text.index("</style>")]))
    assert set(" ".join(re.findall(r'class="([^"]*)"', text)).split()) - styled == {"figure", "trajectory", "solid"}
