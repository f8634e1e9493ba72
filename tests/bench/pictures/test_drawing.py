"""Each kind of picture of a benchmark and of a run: files, names and what is refused before anything is written."""

import csv
import dataclasses
import re

import pytest
import yaml

from modelheir.bench.pictures.drawing import draw_pictures
from modelheir.bench.pictures.members import Member
from modelheir.bench.pictures.settings import PlotConfig
from modelheir.checks import InputError

SETTINGS = {"interpolation": {"points": 2}, "projection": {"oracle": "plenty"}, "svcca": {"oracle": "plenty"}}
FILES = {
    "interpolation": ["interpolation_turned"],
    "projection": ["projection_turned_net"],
    "svcca": ["svcca_turned_net"],
    "change": ["change_turned_net"],
    "penalty": ["penalty_turned_accuracy", "penalty_turned_change"],
    "examples": ["examples_plenty", "examples_turned"],
}


def plot(kind, bench, out, **settings):
    given = {**SETTINGS.get(kind, {}), "out": str(out), "quiet": True, "device": "cpu", **settings}
    return draw_pictures(kind, [str(bench)], PlotConfig(**given))


@pytest.mark.parametrize("kind", ["projection", "svcca", "examples"])
def test_a_benchmark_has_a_picture_a_sequence_or_network(kind, bench, tmp_path):
    found = plot(kind, bench, tmp_path / "out")
    assert [path.stem for path in found.pictures] == FILES[kind]
    for path in found.pictures:
        text = path.read_text()
        assert text.startswith("<svg")
        assert not re.search(r"\bNaN\b|\bnan\b", text)
        assert len(list(csv.DictReader(path.with_suffix(".csv").read_text().splitlines()))) > 3


@pytest.mark.parametrize("kind", ["interpolation", "change", "penalty"])
def test_a_run_goes_to_a_folder_of_its_own(kind, bench, members, tmp_path):
    run = members[0].folder.path
    found = draw_pictures(kind, [f"run:{run}"], PlotConfig(quiet=True, device="cpu", **SETTINGS.get(kind, {})))
    assert {path.parent for path in found.pictures} == {run / "pictures"}
    names = [name.replace("turned", "seed0").replace("_net", "_blocks_convnet") for name in FILES[kind]]
    assert [path.stem for path in found.pictures] == names
    assert run.joinpath("result.json").is_file()


def test_strategies_are_drawn_in_the_order_asked_for(bench, tmp_path):
    found = plot("projection", bench, tmp_path, strategies=("wise_ft", "erm_final"), seed=1)
    rows = list(csv.DictReader(found.pictures[0].with_suffix(".csv").read_text().splitlines()))
    assert list(dict.fromkeys(row["method"] for row in rows)) == ["wise_ft", "erm_final"]
    other = plot("projection", bench, tmp_path, strategies=("wise_ft", "erm_final"), seed=0)
    assert list(csv.DictReader(other.pictures[0].with_suffix(".csv").read_text().splitlines())) != rows


def test_what_is_left_out_is_told(bench, tmp_path):
    found = plot("projection", bench, tmp_path)
    assert found.notes == ["left out, with side modules or of two networks: erm_side_tune, dawin"]
    found = plot("interpolation", bench, tmp_path, strategies=("erm_final", "erm_fine_tune"))
    assert found.notes[0] == "no line, as they train nothing after the past: erm_final"
    assert "plenty/net/seed0 trains a model of the past on the newest step" in found.notes[1]
    assert [path.stem for path in found.pictures] == ["interpolation_turned"]


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("interpolation", {"strategies": ("erm_fine_tun",)}, "no run tried it. Did you mean 'erm_fine_tune'"),
        ("interpolation", {"strategies": ("erm_final",)}, "there is no line to draw"),
        ("change", {"strategies": ("erm_final",)}, "comes by several models"),
        ("change", {"seed": 2}, "has 2 finished trainings, counted from 0"),
        ("projection", {"strategies": ("erm_side_tune",)}, "every strategy has side modules"),
        ("examples", {"classes": ("x",)}, "there is no such class"),
        ("examples", {"data": "sequence:nowhere.yaml"}, "there is no such file"),
    ],
)
def test_nothing_is_written_where_it_cannot_be_drawn(kind, settings, message, bench, tmp_path):
    with pytest.raises(InputError, match=message):
        plot(kind, bench, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_found_before_anything_is_drawn(bench, tmp_path, monkeypatch):
    (tmp_path / "examples_turned.csv").write_text("mine")
    with pytest.raises(InputError, match=r"examples_turned\.csv is there already"):
        plot("examples", bench, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["examples_turned.csv"]


def test_examples_of_data_alone(tmp_path):
    config = PlotConfig(data="digits", steps=2, classes=("3",), per_class=2, out=str(tmp_path), quiet=True)
    (path,) = draw_pictures("examples", (), config).pictures
    assert path == tmp_path / "examples.svg"
    assert path.read_text().count("<image") == 4
    other = draw_pictures("examples", (), dataclasses.replace(config, steps=3)).pictures[0]
    assert other.read_text().count("<image") == 6


@pytest.mark.parametrize(("show", "rows"), [("same", ["0: source", "1: subpop"]), ("finer", ["low", "high"])])
def test_examples_of_a_sequence_are_shown_as_asked(show, rows, tmp_path):
    place = tmp_path / "drift.yaml"
    groups = {"low": ["4", "0", "2"], "high": ["9", "5", "7"]}
    made = {"data": "digits", "shifts": "subpop", "sizes": [100, 60], "test_size": 50, "groups": groups}
    place.write_text(yaml.safe_dump(made, sort_keys=False))
    config = PlotConfig(data=f"sequence:{place}", show=show, classes=("low", "high"), out=str(tmp_path), quiet=True)
    (path,) = draw_pictures("examples", (), config).pictures
    held = list(csv.DictReader(path.with_suffix(".csv").read_text().splitlines()))
    assert list(dict.fromkeys(row["row"] for row in held)) == rows


def test_accuracy_by_decay_is_drawn_where_several_were_tried(bench, members, tmp_path, monkeypatch):
    """Of a run with one strength between steps the picture by decay is the only one."""
    grid = {"members": [{"setting": {"efficient_decay": d}, "selection": 0.5 + d} for d in (0.1, 0.0)]}
    stage = dataclasses.replace(members[0].stage(members[0].ends["joint_model"]), describe={"grid": grid})
    own = members[0].stage
    monkeypatch.setattr(Member, "stage", lambda self, name: stage if name == "decayed" else own(name))
    monkeypatch.setattr(Member, "ends", {**members[0].ends, "joint_side_tune": "decayed"})
    found = plot("penalty", bench, tmp_path / "both")
    assert [path.stem for path in found.pictures][-3:] == [
        f"penalty_turned_{one}" for one in ("accuracy", "change", "decay")
    ]
    rows = list(csv.DictReader(found.pictures[-1].with_suffix(".csv").read_text().splitlines()))
    assert [(row["line"], float(row["strength"]), float(row["value"])) for row in rows] == [
        ("joint_side_tune", 0.0, 0.5), ("joint_side_tune", 0.1, 0.6),
    ]  # fmt: skip
    assert "Weight decay of side modules or low-rank changes" in found.pictures[-1].read_text()
    monkeypatch.setattr(Member, "ends", {"joint_side_tune": "decayed"})
    found = plot("penalty", bench, tmp_path / "alone")
    assert {path.stem.rpartition("_")[2] for path in found.pictures} == {"decay"}
    assert "did not try joint_model" in found.notes[0]
