"""``report``: real run folders (written here by hand) become one page."""

import dataclasses
import json

import numpy as np
import pytest

from modelheir.assemble.report import ReportConfig, _names, report_runs
from modelheir.checks import InputError
from modelheir.cli import report
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions, write_predictions
from modelheir.runs.trackers import Trackers


@pytest.fixture
def make_run(tmp_path, predictions):
    def make(name, wrong=(), old="", state="finished"):
        run = RunFolder(tmp_path / name)
        run.set_status(state, **({"reason": "the loss is not finite"} if state == "failed" else {}))
        lines = f"train: x\ndata: synthetic\nseed: 3\nold: [{old}]\n"
        run.config.write_text(lines)
        run.environment.write_text(json.dumps({"command": ["modelheir", "train"], "commit": None, "dirty": None}))
        Trackers((), run.path).write({"stage": "train", "epoch": 0, "step": 4, "loss": 1.0})
        if state == "finished":
            logits = predictions.logits.copy()
            for row in wrong:
                logits[row] = np.roll(logits[row], 1)
            label = np.array([0, 1, 2, 0, 1])
            made = dataclasses.replace(predictions, label=label, logits=logits, prediction=logits.argmax(1))
            run.predictions("test").parent.mkdir()
            write_predictions(run.predictions("test"), made)
        return run.path

    return make


def test_flips_against_each_runs_own_old(make_run, tmp_path, capsys):
    old = make_run("v1", wrong=[0])
    new = make_run("v2 <b>", wrong=[1, 2], old=f"run:{old}")
    page = tmp_path / "page.html"
    assert report.main([str(old), f"run:{new}", "--html", str(page), "--max_nfr", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "40.00%" in out  # the error of v2 is 2 of 5 and all of it is new
    text = page.read_text()
    assert "v2 &lt;b&gt;" in text
    assert "v2 <b>" not in text
    assert page.with_suffix(".table.csv").is_file()
    assert f"Table: {page.with_suffix('.table.csv')}" in out


def test_a_student_stands_beside_its_first_teacher(make_run, tmp_path, capsys):
    """Its error, and what the student gets wrong that it got right; not where the teacher's images were others."""
    teacher, student, other = make_run("big", wrong=[0]), make_run("small", wrong=[1, 2]), make_run("other")
    for name, first in (("small", teacher), ("other", tmp_path / "gone")):
        settings = f"train: distill\nseed: 3\nmethod: {{teacher: ['run:{first}', 'run:{tmp_path / 'gone'}']}}\n"
        (tmp_path / name / "config.yaml").write_text(settings)
    assert report.main([str(student), str(other), "--html", str(tmp_path / "p.html")]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("against", "its error", f"run:{teacher}"[:20]))
    rows, _ = report_runs([str(student), str(other)], ReportConfig(html=str(tmp_path / "p.html")))
    assert (rows[0]["old"], rows[0]["nfr"]) == (f"run:{teacher}", 0.4)
    assert rows[0]["error_old"] == pytest.approx(0.2)
    assert "nfr" not in rows[1]
    path = RunFolder(teacher).predictions("test")
    moved = dataclasses.replace(read_predictions(path), sample_id=np.array(list("vwxyz")))
    path.unlink()
    write_predictions(path, moved)
    assert "nfr" not in report_runs([str(student)], ReportConfig(html=str(tmp_path / "p.html")))[0][0]


def test_one_old_for_all_may_be_a_file(make_run, tmp_path):
    old, new = make_run("v1"), make_run("v2", wrong=[4])
    config = ReportConfig(html=str(tmp_path / "p.html"), old=str(RunFolder(old).predictions("test")))
    rows, _ = report_runs([str(new)], config)
    assert rows[0]["nfr"] == pytest.approx(0.2)
    assert rows[0]["error_old"] == 0.0
    assert rows[0]["seeds"] == [3]


def test_the_table_does_not_replace_the_old_predictions(make_run, tmp_path):
    new, old = make_run("v2"), tmp_path / "p.table.csv"
    rows = "".join(f"{name},{k},{k}\n" for name, k in zip("abcde", (0, 1, 2, 0, 1), strict=True))
    old.write_text("sample_id,label,prediction\n" + rows)
    with pytest.raises(InputError, match=r"would replace .*p\.table\.csv, which is read"):
        report_runs([str(new)], ReportConfig(html=str(tmp_path / "p.html"), old=str(old)))
    assert old.read_text().endswith(rows)
    assert not (tmp_path / "p.html").exists()


@pytest.mark.parametrize("first", ["v1", "v2"])
def test_the_gallery_is_not_the_old_run_against_itself(make_run, tmp_path, first):
    old, new = make_run("v1"), make_run("v2", wrong=[4])
    runs = [str(old), str(new)] if first == "v1" else [str(new), str(old)]
    rows, page = report_runs(runs, ReportConfig(html=str(tmp_path / "p.html"), old=f"run:{old}"))
    assert [row["name"] for row in rows if row.get("chosen")] == ["v2"]
    assert "No image changed sides" not in page.read_text()


@pytest.mark.parametrize("order", [("v1", "v2", "v3"), ("v3", "v2", "v1")])
@pytest.mark.parametrize("kind", ["run", "file"])
def test_the_old_model_is_no_candidate_for_its_own_place(make_run, tmp_path, capsys, order, kind):
    """Against itself it breaks nothing, so it would ship under any bound."""
    made = {"v1": make_run("v1", wrong=[0]), "v2": make_run("v2", wrong=[1, 2]), "v3": make_run("v3", wrong=[2, 3, 4])}
    old = made["v1"] if kind == "run" else RunFolder(made["v1"]).predictions("test")
    page = tmp_path / "p.html"
    words = [*(str(made[name]) for name in order), "--old", str(old), "--html", str(page), "--max_nfr", "0.1"]
    rows, _ = report_runs(words[:3], ReportConfig(html=str(page), old=str(old), max_nfr=0.1))
    found = {row["name"]: row for row in rows}
    assert [row["name"] for row in rows] == list(order)
    assert found["v1"] == {"name": "v1", "n": 5, "reference": True, "seeds": [3]} | {
        key: found["v1"][key] for key in ("error", "error_interval")
    }
    assert {name: row["nfr"] for name, row in found.items() if "nfr" in row} == {"v2": 0.4, "v3": 0.6}
    assert found["v1"]["error"] == pytest.approx(0.2)
    assert all("gate" in found[name] for name in ("v2", "v3"))
    assert report.main(words) == 0
    assert "v1 (old)" in capsys.readouterr().out
    text = " ".join(page.read_text().split())
    assert "2 methods compared with one old model" in text
    assert "none of 2" in text
    assert text.count("the old model</span>") == 1


def test_without_old_every_run_is_judged_against_its_own(make_run, tmp_path):
    old = make_run("v1", wrong=[0])
    new = make_run("v2", wrong=[1], old=f"run:{old}")
    rows, page = report_runs([str(old), str(new)], ReportConfig(html=str(tmp_path / "p.html"), max_nfr=0.5))
    assert [("nfr" in row, "gate" in row, "reference" in row) for row in rows] == [(False,) * 3, (True, True, False)]
    assert "2 methods compared" in page.read_text()


def test_unfinished_runs_are_listed(make_run, tmp_path, capsys):
    good, bad = make_run("good"), make_run("bad", state="failed")
    assert report.main([str(good), str(bad), "--html", str(tmp_path / "p.html")]) == 0
    assert "failed: the loss is not finite; no predictions of test" in capsys.readouterr().out
    with pytest.raises(InputError, match="none of the 1 runs has predictions"):
        report.main([str(bad)])


def test_no_run_folder(tmp_path):
    with pytest.raises(InputError, match="is not a run folder"):
        report.main([str(tmp_path)])


def test_equal_names_are_told_apart(make_run):
    paths = [make_run("a/run"), make_run("b/run")]
    assert _names([str(path) for path in paths]) == [str(path) for path in paths]
