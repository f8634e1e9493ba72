"""Every picture is well-formed XML, keeps names as text, and puts values where an independent scale puts them."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.analysis.comparison import Group, GroupRates
from modelheir.analysis.record import Rate
from modelheir.report import figures
from modelheir.report.figures import svg

HOSTILE = "</svg><script>alert('&')</script>"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def parse(markup):
    return ElementTree.fromstring(str(markup))


def words(root):
    return " ".join(text for node in root.iter() for text in (node.text, node.tail) if text)


def test_ticks_are_round_and_inside():
    assert svg.ticks(0.03, 0.07, 4) == pytest.approx([0.03, 0.04, 0.05, 0.06, 0.07])
    assert svg.ticks(2.0, 2.0) == [2.0]


@settings(deadline=None, max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 9))
def test_ticks_stay_within_and_near_the_wish(low, width, about):
    found = svg.ticks(low, low + width, about)
    slack = 1e-8 * width + 1e-11 * (1 + abs(low))  # a tick may stand outside by far less than a line is wide
    assert all(low - slack <= tick <= low + width + slack for tick in found)
    assert len(found) <= about * 2 + 1


def test_attributes_and_children_are_escaped():
    assert str(svg.tag("text", "<b>", x='"1"')) == '<text x="&#34;1&#34;">&lt;b&gt;</text>'
    assert str(svg.tag("g", svg.tag("b"))) == "<g><b/></g>"


def test_plane_places_marks_on_a_linear_scale():
    models = [{"name": f"m{k}", "error": 0.1 + 0.1 * k, "nfr": 0.01 * k} for k in range(3)]
    models[0]["name"] = HOSTILE
    root = parse(figures.plane(models, error_old=0.2))
    marks = [node for node in root.iter(f"{NAMESPACE}g") if "mark" in node.get("class")]
    assert len(marks) == 3
    circle = marks[0].find(f"{NAMESPACE}circle")
    square = marks[1].find(f"{NAMESPACE}rect")
    middle = float(square.get("x")) + 4.5
    reference = next(node for node in root.iter(f"{NAMESPACE}line") if node.get("class") == "reference")
    assert middle == pytest.approx(float(reference.get("x1")), abs=0.02)
    assert float(circle.get("cx")) < middle
    assert float(circle.get("cy")) > float(square.get("y")) + 4.5  # a lower NFR lies lower
    assert HOSTILE[:10] in words(root)


def test_plane_leaves_out_models_without_numbers_and_joins_groups():
    models = [{"name": f"w{k}", "group": "focal", "error": 0.1, "nfr": 0.02 * k} for k in range(3)]
    root = parse(figures.plane([*models, {"name": "failed", "error": None, "nfr": None}]))
    lines = list(root.iter(f"{NAMESPACE}polyline"))
    assert len(lines) == 1
    assert len(lines[0].get("points").split()) == 3
    assert "failed" not in words(root)


def test_plane_of_nothing_is_an_empty_frame():
    assert "0 models" in parse(figures.plane([])).get("aria-label")


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=12))
def test_labels_of_the_plane_do_not_overlap(spots):
    models = [{"name": f"model {k}", "error": x, "nfr": y} for k, (x, y) in enumerate(spots)]
    root = parse(figures.plane(models))
    labels = [node for node in root.iter(f"{NAMESPACE}text") if "label" in node.get("class")]
    boxes = [(float(n.get("x")), float(n.get("y")), 7.4 * len(n.text)) for n in labels]
    for k, (x, y, width) in enumerate(boxes):
        for left, top, wide in boxes[:k]:
            assert x >= left + wide - 0.02 or left >= x + width - 0.02 or abs(y - top) >= 12.98


def group(name, nfr, pfr):
    return Group(name, "", 10, GroupRates(*[Rate(0.5)] * 2, nfr, pfr, *[Rate(0.5)] * 5), 1.0, 1.0)


def test_class_bars_are_as_long_as_their_rates():
    rows = [group(HOSTILE, Rate(0.4, (0.3, 0.5)), Rate(0.2)), group("b", Rate(0.1), Rate(None))]
    root = parse(figures.class_flips(rows))
    width = {}
    for node in root.iter(f"{NAMESPACE}rect"):
        width.setdefault(node.get("class"), []).append(float(node.get("width")))
    assert width["fill neg"][0] == pytest.approx(4 * width["fill neg"][1], rel=0.01)
    assert len(width["fill pos"]) == 1
    assert HOSTILE in words(root)  # whole in the hint, shortened in the label


def test_class_bars_without_a_flip_have_no_length():
    root = parse(figures.class_flips([group("a", Rate(0.0), Rate(0.0))]))
    assert [float(node.get("width")) for node in root.iter(f"{NAMESPACE}rect")] == [0.0, 0.0]


def test_outcomes_add_up_to_the_width():
    root = parse(figures.outcomes({"stay": 0.5, "pos": 0.25, "neg": 0.125, "wrong": 0.125}))
    bars = [node for node in root.iter(f"{NAMESPACE}rect") if node.get("height") == "22"]
    assert sum(float(bar.get("width")) + 1.5 for bar in bars) == pytest.approx(svg.WIDTH)
    assert "12.50% newly wrong" in words(root).replace("  ", " ")


def test_reliability_puts_a_calibrated_model_on_the_diagonal():
    table = [{"confidence": c, "accuracy": c, "n": 10} for c in (0.2, 0.5, 0.9)] + [
        {"confidence": None, "accuracy": None, "n": 0}
    ]
    root = parse(figures.reliability({"old": table, "new": table}, {"old": HOSTILE, "new": "new"}))
    line = next(node for node in root.iter(f"{NAMESPACE}line") if node.get("class") == "reference")
    x1, y1, x2, y2 = (float(line.get(key)) for key in ("x1", "y1", "x2", "y2"))
    circles = list(root.iter(f"{NAMESPACE}circle"))
    assert len(circles) == 3
    for node in circles:
        share = (float(node.get("cx")) - x1) / (x2 - x1)
        assert float(node.get("cy")) == pytest.approx(y1 + share * (y2 - y1), abs=0.02)


def test_confusion_puts_counts_where_label_and_answer_meet():
    counts = [[8, 0, 2], [0, 5, 0], [1, 1, 2]]
    root = parse(figures.confusion([HOSTILE, "b", "c"], counts, top=0.4, model=HOSTILE))
    ground = next(node for node in root.iter(f"{NAMESPACE}rect") if node.get("class") == "ground")
    left, top, side = (float(ground.get(key)) for key in ("x", "y", "width"))
    found = {}
    for node in root.iter(f"{NAMESPACE}rect"):
        if node is not ground:
            row, column = ((float(node.get(key)) - start) * 3 / side for key, start in (("y", top), ("x", left)))
            found[int(row), int(column)] = (node.get("class"), float(node.get("fill-opacity")), node[0].text)
    strength = {place: (kind, opacity) for place, (kind, opacity, _) in found.items()}
    assert strength == {
        (0, 0): ("fill stay", 0.8),
        (0, 2): ("fill neg", pytest.approx(0.55 * 0.2 / 0.4, abs=0.006)),
        (1, 1): ("fill stay", 1.0),
        (2, 0): ("fill neg", pytest.approx(0.55 * 0.25 / 0.4, abs=0.006)),
        (2, 1): ("fill neg", pytest.approx(0.55 * 0.25 / 0.4, abs=0.006)),
        (2, 2): ("fill stay", 0.5),
    }
    assert found[0, 2][2] == f"{HOSTILE}, said to be c: 2 images, 20.0% of the class"
    written = [node for node in root.iter(f"{NAMESPACE}text") if node.get("class") == "amount"]
    assert [node.text for node in written] == ["8", "2", "5", "1", "1", "2"]


def test_confusion_of_many_classes_has_small_squares_without_numbers():
    counts = [[int(row == column) for column in range(30)] for row in range(30)]
    root = parse(figures.confusion([f"class {k}" for k in range(30)], counts, top=1.0, model="new"))
    squares = [node for node in root.iter(f"{NAMESPACE}rect") if node.get("class") != "ground"]
    assert len(squares) == 30
    assert max(float(node.get("x")) + float(node.get("width")) for node in squares) < svg.WIDTH
    assert not [node for node in root.iter(f"{NAMESPACE}text") if node.get("class") == "amount"]


def test_curves_show_one_line_a_run_and_a_dot_for_one_epoch():
    lines = {"a": [(0, 1.0), (1, 0.5)], HOSTILE: [(0, 0.7)]}
    root = parse(figures.curves("loss", lines, order=["a", HOSTILE]))
    assert len(list(root.iter(f"{NAMESPACE}polyline"))) == 1
    assert len(list(root.iter(f"{NAMESPACE}circle"))) == 1


def test_pictures_are_the_same_every_time():
    models = [{"name": "a", "error": 0.1, "nfr": 0.02, "error_interval": [0.05, 0.2]}]
    assert figures.plane(models) == figures.plane(models)
