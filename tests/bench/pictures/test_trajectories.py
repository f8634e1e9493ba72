"""``plot trajectory``: of any run with snapshots, of those that are asked for, and what a run itself keeps."""

import csv
import json

import numpy as np
import pytest

from modelheir.assemble.report import ReportConfig, report_runs
from modelheir.bench.pictures import draw_pictures
from modelheir.bench.pictures.settings import PlotConfig
from modelheir.calls import train
from modelheir.checks import InputError
from modelheir.subspace import StackedRows, Trajectory, coordinates, pca

DATA = "synthetic:n=120,classes=3,size=8"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "v1"
    settings = {"fit.epochs": 3, "fit.snapshots.per_epoch": 2, "fit.snapshots.start_epoch": 1}
    train("finetune", data=DATA, model="convnet", out=str(out), quiet=True, **settings)
    return out


def rows_of(path):
    with path.with_suffix(".csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_a_run_is_drawn_with_the_loss_around_it(run, tmp_path):
    found = draw_pictures("trajectory", [f"run:{run}"], PlotConfig(out=str(tmp_path), grid=3, images=20, quiet=True))
    assert [path.stem for path in found.pictures] == [
        f"trajectory_v1_train_{n}" for n in ("variance", "path", "surface")
    ]
    assert found.notes == []
    files = sorted((run / "stages" / "00_train" / "snapshots").glob("*.safetensors"))
    rows = Trajectory(files)
    basis = pca(rows, 3, truncate=True)
    shares = [float(row["share"]) for row in rows_of(found.pictures[0])]
    assert shares[:2] == pytest.approx(basis.explained[:2].tolist())
    path = np.array([[float(row["x"]), float(row["y"])] for row in rows_of(found.pictures[1])])
    np.testing.assert_allclose(path, coordinates(basis, StackedRows(rows.block(0, rows.width), rows.layout)), atol=1e-4)
    surface = rows_of(found.pictures[2])
    assert len(surface) == 9
    assert all(float(row["value"]) > 0 for row in surface)
    again = draw_pictures("trajectory", [str(run)], PlotConfig(out=str(tmp_path), grid=3, images=20, quiet=True))
    assert rows_of(again.pictures[2]) == surface
    some = PlotConfig(out=str(tmp_path), grid=3, images=20, quiet=True, quantity="accuracy", snapshots="1:4")
    other = draw_pictures("trajectory", [str(run)], some)
    assert len(rows_of(other.pictures[1])) == 3
    assert all(0 <= float(row["value"]) <= 1 for row in rows_of(other.pictures[2]))


def test_without_its_images_a_run_has_no_loss_around_it(run, tmp_path, monkeypatch):
    """Nor without a model: what remains is drawn, and what lacks is told."""
    asked = PlotConfig(out=str(tmp_path), grid=2, quiet=True, data="folder:/nowhere/at/all")
    found = draw_pictures("trajectory", [str(run)], asked)
    assert [path.stem for path in found.pictures] == ["trajectory_v1_train_variance", "trajectory_v1_train_path"]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("train without the loss around it: ")
    plain = draw_pictures("trajectory", [str(run)], PlotConfig(out=str(tmp_path), grid=0, quiet=True))
    assert (len(plain.pictures), plain.notes) == (2, [])


@pytest.fixture(scope="module")
def spaces(run, tmp_path_factory):
    """Two runs of ``subspace``: on the snapshots of its own training, and on those of the run above."""
    place = tmp_path_factory.mktemp("spaces")
    given = {"data": DATA, "model": "convnet", "quiet": True, "method.ways": ("cut", "swa", "psgd"), "method.epochs": 1}
    train("subspace", out=str(place / "own"), **given, **{"fit.epochs": 3, "fit.snapshots.per_epoch": 2})
    train("subspace", out=str(place / "theirs"), **given, **{"method.start": f"run:{run}"})
    return place


@pytest.mark.parametrize(("name", "stage"), [("own", "collect"), ("theirs", "cut")])
def test_ways_of_a_subspace_are_drawn_where_its_page_has_them(name, stage, spaces, tmp_path):
    """Both from the run's own snapshots and, where these are another run's, from the basis it keeps."""
    run = spaces / name
    held = json.loads((run / "result.json").read_text("utf-8"))["subspace"]
    found = draw_pictures("trajectory", [str(run)], PlotConfig(out=str(tmp_path), grid=3, images=20, quiet=True))
    assert [path.stem for path in found.pictures] == [
        f"trajectory_{name}_{stage}_{n}" for n in ("variance", "path", "surface")
    ]
    assert found.notes == []
    rows = rows_of(found.pictures[1])
    path = np.array([[float(row["x"]), float(row["y"])] for row in rows if not row["way"]])
    np.testing.assert_allclose(path, np.array(held["path"])[:, :2], atol=1e-4)
    for way, about in held["ways"].items():
        (own,) = [row for row in rows if row["way"] == way]
        np.testing.assert_allclose([float(own["x"]), float(own["y"])], about["points"][-1], atol=1e-4)
    surface = [row for row in rows_of(found.pictures[2]) if not row["way"]]
    assert len(surface) == 9
    assert max(float(row["x"]) for row in surface) > path[:, 0].max()
    _, page = report_runs([str(run)], ReportConfig(html=str(tmp_path / "report.html"), pictures=False))
    text = page.read_text("utf-8")
    assert f"The subspace of {name}" in text
    assert text.index('class="figure variance"') < text.index('class="figure trajectory"')


def test_a_run_on_anothers_snapshots_has_none_to_choose_from(spaces, tmp_path):
    with pytest.raises(InputError, match="has no snapshots of its own to choose from: leave --snapshots out"):
        draw_pictures("trajectory", [str(spaces / "theirs")], PlotConfig(out=str(tmp_path), snapshots="1:", quiet=True))


def test_what_cannot_be_drawn_is_told(run, tmp_path):
    with pytest.raises(InputError, match=r"unknown --stage with snapshots 'trian'\. Did you mean 'train'"):
        draw_pictures("trajectory", [str(run)], PlotConfig(stage="trian", out=str(tmp_path)))
    with pytest.raises(InputError, match="is no run folder: it has no config"):
        draw_pictures("trajectory", [str(tmp_path)], PlotConfig(out=str(tmp_path / "x")))
    with pytest.raises(InputError, match="range '9:' holds none"):
        draw_pictures("trajectory", [str(run)], PlotConfig(snapshots="9:", out=str(tmp_path), quiet=True))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.yaml").write_text("train: finetune\n")
    with pytest.raises(InputError, match=r"kept no snapshots of its weights: train with --snapshots\.every 1"):
        draw_pictures("trajectory", [str(tmp_path / "bare")], PlotConfig(out=str(tmp_path / "y")))
