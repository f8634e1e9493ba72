"""What a run says of its subspace becomes pictures and rows; what is damaged is told by the run's name."""

import pytest

from modelheir.checks import InputError
from modelheir.report.subspace import pictures, subspace

SURFACE = {"x": [-1.0, 0.0, 1.0], "y": [0.0, 1.0], "value": [[1.0, 0.5, 1.0], [2.0, None, 2.0]], "quantity": "loss"}
HELD = {
    "variance": [0.8, 0.2],
    "path": [[-1.0, 0.0, 0], [0.0, 1.0, 5], [1.0, 0.5, 10]],
    "surface": {**SURFACE, "split": "val"},
    "ways": {"SWA": {"points": [[0.0, 0.5]], "away": 0.25, "value": 0.4}, "P-SGD": {"points": [[1, 0.5], [0.5, 0.5]]}},
}


def test_a_run_without_a_subspace_has_no_section():
    assert subspace("run", {"test/accuracy": {"value": 1.0}}) is None


def test_ways_are_told_beside_the_plane():
    found = subspace("run", {"subspace": HELD})
    assert found["rows"] == [
        {"name": "SWA", "value": "0.4", "away": "0.25"},
        {"name": "P-SGD", "value": "\N{EN DASH}", "away": "\N{EN DASH}"},
    ]
    assert [name for name, _ in found["key"]] == ["SWA", "P-SGD"]
    assert (found["quantity"], found["split"], found["path"]) == ("loss", "val", None)
    assert 'class="figure loss-plane"' in found["surface"]
    assert 'class="figure variance"' in found["variance"]


def test_without_a_surface_the_way_itself_is_drawn():
    found = subspace("run", {"subspace": {**HELD, "surface": None, "ways": {}}})
    assert found["surface"] is None
    assert 'class="figure trajectory"' in found["path"]
    assert found["rows"] == found["key"] == []
    ways = subspace("run", {"subspace": {**HELD, "surface": None}})
    assert [name for name, _ in ways["key"]] == ["SWA", "P-SGD"]
    assert "SWA: (0, 0.5)" in ways["path"]
    assert (ways["quantity"], ways["rows"][0]["value"]) == ("loss", "0.4")  # what is kept without a plane is a loss


def test_files_have_their_numbers_beside_them():
    found = {ending: (rows, columns) for _, rows, columns, ending in pictures(HELD)}
    assert list(found) == ["_variance", "_path", "_surface"]
    rows, columns = found["_surface"]
    assert columns == ("way", "x", "y", "value")
    assert len(rows) == 6 + 3
    assert rows[-1] == {"way": "P-SGD", "x": 0.5, "y": 0.5}
    rows, columns = found["_path"]
    assert columns == ("way", "step", "x", "y")
    assert [row.get("way") for row in rows] == [None] * 3 + ["SWA", "P-SGD", "P-SGD"]
    bare = {ending: columns for *_, columns, ending in pictures({**HELD, "surface": None, "ways": {}})}
    assert bare == {"_variance": ("component", "share", "together"), "_path": ("step", "x", "y")}


@pytest.mark.parametrize(
    "damage",
    [
        {"variance": []},
        {"path": [[0.0, 1.0]]},
        {"path": None},
        {"ways": {"a": {"points": []}}},
        {"ways": {"a": {"points": [[0.0, None]]}}},
        {"ways": []},
        {"surface": {**SURFACE, "value": [[1.0]]}},
        {"surface": {**SURFACE, "quantity": "error"}},
    ],
)
def test_what_is_damaged_is_told(damage):
    with pytest.raises(InputError, match=r"result\.json of run is damaged"):
        subspace("run", {"subspace": {**HELD, **damage}})
