"""Figures of methods over time: well-formed, names as text, and values where an independent scale puts them."""

import csv
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.report.figures.interpolation import BASIN_COLUMNS, BasinLine, basin_key, basin_rows, interpolation
from modelheir.report.figures.paths import LIKENESS, PATH_COLUMNS, WEIGHTS, Path, path_key, path_rows, paths
from modelheir.report.figures.penalty import PENALTY_COLUMNS, PenaltyLine, penalty, penalty_key, penalty_rows
from modelheir.report.figures.sheet import sheet
from modelheir.report.figures.shift_dots import SHIFT_COLUMNS, shift_dots, shift_rows
from modelheir.report.figures.standalone import standalone, write_figure

HOSTILE = "</svg><script>alert('&')</script>"
SPACE = "{http://www.w3.org/2000/svg}"


def parse(markup):
    return ElementTree.fromstring(str(markup))


def words(root):
    return [text for node in root.iter() for text in (node.text, node.tail) if text and text.strip()]


def curves(root):
    """The points of every line that is drawn."""
    lines = [node for node in root.iter(f"{SPACE}polyline")]
    return [np.array([pair.split(",") for pair in line.get("points").split()], float) for line in lines]


def ticks_of(root, axis):
    """Value and place of the labels of one axis, from the picture itself: the independent scale."""
    found = []
    for node in root.iter(f"{SPACE}text"):
        along = node.get("text-anchor") == ("middle" if axis == "x" else "end")
        if node.get("class") == "tick" and along and node.text:
            value = node.text.replace("\N{MINUS SIGN}", "-").replace(",", "")
            value = float(value[:-1]) / 100 if value.endswith("%") else float(value)
            found.append((value, float(node.get(axis)) - (4 if axis == "y" else 0)))
    return np.array(found)


def line(name, start="history", count=11, offset=0.0):
    v = np.linspace(0, 1, count)
    return BasinLine(name, start, [(float(a), float(0.3 + 0.2 * a**2 + offset)) for a in v])


def test_accuracies_lie_on_the_scale_of_the_ticks():
    root = parse(interpolation([line("FT")]))
    x, y = ticks_of(root, "x"), ticks_of(root, "y")
    (points,) = curves(root)
    expected = np.array(line("FT").points)
    np.testing.assert_allclose(points[:, 0], np.interp(expected[:, 0], x[:, 0], x[:, 1]), atol=0.02)
    slope, shift = np.polyfit(y[:, 0], y[:, 1], 1)
    np.testing.assert_allclose(points[:, 1], slope * expected[:, 1] + shift, atol=0.05)


def test_dashes_tell_the_start_and_a_wrong_start_is_refused():
    lines = [line(s, s) for s in ("history", "robust", "sequential", "joint")]
    drawn = [node.get("class") for node in parse(interpolation(lines)).iter(f"{SPACE}polyline")]
    assert [kind.split()[-1] for kind in drawn] == ["f0", "f1", "f2", "f3"]
    assert [sample[2] for sample in basin_key(lines)] == ["f0", "f1", "f2", "f3"]
    with pytest.raises(InputError, match="Did you mean 'history'"):
        interpolation([line("a", "histroy")])


def test_marks_of_two_lines_stand_apart_and_there_are_as_many_as_points_at_most():
    root = parse(interpolation([line("a", count=101), line("b", count=101), line("c", count=2), line("none", count=0)]))
    groups = {}
    for node in root.iter(f"{SPACE}g"):
        kind = node.get("class")
        if kind and kind.startswith("mark"):
            groups[kind] = groups.get(kind, 0) + 1
    assert list(groups.values()) == [6, 6, 2]


def test_intervals_are_whiskers_and_rows():
    one = line("a", count=3)
    one = BasinLine(one.name, one.start, one.points, [(v - 0.05, v + 0.05) for _, v in one.points])
    root = parse(interpolation([one]))
    bars = [node for node in root.iter(f"{SPACE}line") if node.get("class") == "whisker"]
    assert len(bars) == 3
    slope = np.polyfit(*ticks_of(root, "y").T, 1)[0]
    assert float(bars[0].get("y1")) - float(bars[0].get("y2")) == pytest.approx(-0.1 * slope, abs=0.1)
    assert basin_rows([one])[1]["accuracy_interval"] == one.intervals[1]
    assert len(basin_rows([line("a"), line("b")])) == 22


def test_several_figures_may_share_an_axis():
    low, high = (ticks_of(parse(interpolation([line("a", offset=o)], limits=(0.0, 1.0))), "y") for o in (0, 0.3))
    np.testing.assert_array_equal(low, high)


@pytest.mark.parametrize("plane", [WEIGHTS, LIKENESS])
def test_paths_end_at_their_mark_and_the_oracle_stands_at_its_place(plane):
    methods = [Path("4k", [(0.5, 0.2)]), Path("SFT", [(0.1, 0.9), (0.4, 0.5), (float("nan"), 0.2), (0.8, 0.7)])]
    root = parse(paths(methods, plane))
    x, y = (np.polyfit(*ticks_of(root, axis).T, 1) for axis in "xy")
    (points,) = curves(root)
    expected = [(0.1, 0.9), (0.4, 0.5), (0.8, 0.7)]
    np.testing.assert_allclose(points, [(np.polyval(x, a), np.polyval(y, b)) for a, b in expected], atol=0.05)
    ring = next(node for node in root.iter(f"{SPACE}circle") if node.get("class") == "whisker")
    place = np.polyval(x, plane[2][0]), np.polyval(y, plane[2][1])
    assert (float(ring.get("cx")), float(ring.get("cy"))) == pytest.approx(place, abs=0.05)
    assert sum(node.get("class") == "dot" for node in root.iter(f"{SPACE}circle")) == 2
    assert [sample[2] for sample in path_key(methods)] == ["", "path"]
    assert [row["step"] for row in path_rows(methods, panel="fc")] == [0, 0, 1, 2, 3]


@settings(deadline=None, max_examples=25)
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_an_arrow_points_along_its_piece(a, b):
    root = parse(paths([Path("m", [(0.0, 0.0), (a, b)]), Path("wide", [(2.0, 2.0)])], LIKENESS))
    (points,) = curves(root)
    heads = [node for node in root.iter(f"{SPACE}polygon") if node.get("class") == "head"]
    way = points[1] - points[0]
    assert len(heads) == (np.hypot(*way) >= 18)
    if heads:
        corners = np.array([pair.split(",") for pair in heads[0].get("points").split()], float)
        forward = corners[0] - corners[1:].mean(axis=0)
        assert forward @ way == pytest.approx(9 * np.hypot(*way), rel=0.02)


def test_strengths_are_decades_and_none_stands_behind_the_break():
    points = [(0.0, 100.0), (0.01, 100.0), (1.0, 10.0), (10.0, 1.0)]
    root = parse(penalty([PenaltyLine("fc", points)], quantity="Change", decades=True))
    x, y = ticks_of(root, "x"), ticks_of(root, "y")
    (drawn,) = curves(root)
    assert dict(x)[0.0] == pytest.approx(drawn[0, 0])
    one = np.polyfit(np.log10(x[x[:, 0] > 0, 0]), x[x[:, 0] > 0, 1], 1)
    np.testing.assert_allclose(drawn[1:, 0], np.polyval(one, np.log10([0.01, 1, 10])), atol=0.05)
    np.testing.assert_allclose(drawn[0, 0], np.polyval(one, -3), atol=0.05)  # one decade left of the smallest
    up = np.polyfit(np.log10(y[:, 0]), y[:, 1], 1)
    np.testing.assert_allclose(drawn[:, 1], np.polyval(up, np.log10([100, 100, 10, 1])), atol=0.05)


def test_without_a_strength_of_nothing_there_is_no_break():
    one = parse(penalty([PenaltyLine("a", [(0.1, 0.5), (1.0, 0.6)])], quantity="Accuracy", over="weight decay"))
    assert "0" not in words(one)
    assert {"50%", "Weight decay"} <= set(words(one))
    assert ticks_of(one, "x")[:, 0].tolist() == [0.1, 1.0]


def test_levels_are_drawn_across_and_named():
    lines = [PenaltyLine("a", [(0.0, 0.5), (1.0, 0.6)], [(0.4, 0.6), None])]
    root = parse(penalty(lines, quantity="Accuracy", levels={"final step alone": 0.3, HOSTILE: 0.55}))
    across = [node for node in root.iter(f"{SPACE}line") if node.get("class") == "reference"]
    slope = np.polyfit(*ticks_of(root, "y").T, 1)
    assert [float(n.get("y1")) for n in across] == pytest.approx(np.polyval(slope, [0.3, 0.55]), abs=0.05)
    assert HOSTILE in words(root)
    assert sum(n.get("class") == "whisker" for n in root.iter(f"{SPACE}line")) == 1
    assert [row["value_interval"] for row in penalty_rows(lines)] == [(0.4, 0.6), None]
    assert penalty_key(lines) == [("a", 0, "line")]


@pytest.mark.parametrize("points", [[(-1.0, 0.5), (1.0, 0.5)], [(0.0, 0.5)], []])
def test_strengths_that_make_no_axis_are_refused(points):
    with pytest.raises(ValueError, match=r"weakest|strongest"):
        penalty([PenaltyLine("a", points)], quantity="Accuracy")


def test_shift_ratios_lie_on_the_scale_and_what_is_not_defined_says_so():
    rows = [("a to b", (1.5, 3.0)), (HOSTILE, (2.0, float("nan")))]
    root = parse(shift_dots(rows, name="Shift"))
    x = np.polyfit(*ticks_of(root, "x").T, 1)
    stems = [float(n.get("x2")) for n in root.iter(f"{SPACE}line") if n.get("class") == "leader"]
    assert stems == pytest.approx(np.polyval(x, [1.5, 3.0, 2.0]), abs=0.05)
    reference = next(n for n in root.iter(f"{SPACE}line") if n.get("class") == "reference")
    assert float(reference.get("x1")) == pytest.approx(np.polyval(x, 1.0), abs=0.05)
    assert "conditional not defined" in words(root)
    assert shift_rows(rows)[0] == {"transition": "a to b", "covariate": 1.5, "conditional": 3.0}


def test_a_sheet_places_panels_and_keeps_its_key_below():
    panels = [(name, paths([Path("a", [(0.0, 0.0)])], WEIGHTS)) for name in ("conv1", HOSTILE, "fc")]
    root = parse(sheet(panels, height=330, columns=2, key=[("a", 0, ""), ("b" * 60, 1, "f1")], label="three"))
    inner = [(float(n.get("x")), float(n.get("y"))) for n in root.findall(f"{SPACE}svg")]
    assert inner[0][1] == inner[1][1] < inner[2][1]
    assert inner[1][0] >= inner[0][0] + 440
    assert all(n.get("class") == "paths" for n in root.findall(f"{SPACE}svg"))
    bottom = max(y for _, y in inner) + 330
    legends = [n for n in root.findall(f"{SPACE}text") if n.get("class") == "legend"]
    height = float(root.get("viewBox").split()[3])
    assert all(bottom < float(n.get("y")) < height for n in legends)
    assert HOSTILE in words(root)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text("abcdefgh -", min_size=1, max_size=50), min_size=1, max_size=14))
def test_names_of_a_key_do_not_overlap(names):
    panel = ("p", paths([], WEIGHTS))
    root = parse(
        sheet([panel, panel], height=330, columns=2, key=[(n, k, "f0") for k, n in enumerate(names)], label="x")
    )
    width = float(root.get("viewBox").split()[2])
    boxes = [
        (float(n.get("x")), float(n.get("y")), 6.8 * len(n[-1].tail or ""))
        for n in root.findall(f"{SPACE}text")
        if n.get("class") == "legend"
    ]
    assert len(boxes) == len(names)
    for k, (x, y, wide) in enumerate(boxes):
        assert x + wide <= width + 1
        assert all(y != other[1] or x >= other[0] + other[2] or other[0] >= x + wide for other in boxes[:k])


@pytest.mark.parametrize(
    ("picture", "rows", "columns"),
    [
        (interpolation([line(HOSTILE)]), basin_rows([line(HOSTILE)]), BASIN_COLUMNS),
        (paths([Path(HOSTILE, [(0.0, 1.0)])], WEIGHTS), path_rows([Path(HOSTILE, [(0.0, 1.0)])]), PATH_COLUMNS),
        (
            penalty([PenaltyLine(HOSTILE, [(1.0, 0.5)])], quantity="q"),
            penalty_rows([PenaltyLine(HOSTILE, [(1.0, 0.5)])]),
            PENALTY_COLUMNS,
        ),
        (shift_dots([(HOSTILE, (1.0, 2.0))], name="n"), shift_rows([(HOSTILE, (1.0, 2.0))]), SHIFT_COLUMNS),
    ],
)
def test_a_file_stands_for_itself_with_its_numbers_beside_it(tmp_path, picture, rows, columns):
    path = write_figure(tmp_path / "a.svg", picture, rows, columns)
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert any(HOSTILE in found for found in words(root))
    assert "var(" not in text
    assert "@media" not in text
    size = root.get("viewBox").split()[2:]
    assert [root.get("width"), root.get("height")] == size
    held = list(csv.reader(io.StringIO((tmp_path / "a.csv").read_text(encoding="utf-8"))))
    assert held[0] == list(columns)
    assert len(held) == len(rows) + 1


def test_every_class_of_a_picture_has_a_rule_in_its_file():
    """All that draws or writes is styled; what is not is only the kind of the picture."""
    lines = [line("a", "joint"), line("b", "robust")]
    text = standalone(sheet([("t", interpolation(lines))], height=300, columns=1, key=basin_key(lines), label="x"))
    style = text[: text.index("</style>")]
    classes = set(" ".join(re.findall(r'class="([^"]*)"', text)).split())
    styled = set(re.findall(r"\.([\w-]+)", style))
    assert classes - styled == {"figure", "panels", "interpolation", "solid"}
    assert "stroke-dasharray: 10 3 2 3" in style
