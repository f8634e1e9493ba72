"""The benchmark's command: its words, its help, its table, and its exit codes."""

import csv
import json

import pytest
import yaml

from modelheir import cli
from modelheir.bench import running
from modelheir.runs.folder import RunFolder

SUITE = {
    "settings": {"data": "digits", "method": {"strategies": ["erm_final", "erm_all"], "steps": 3}},
    "sequences": {"writers": {}},
    "architectures": {"mlp": {"model": "mlp"}, "net": {"model": "convnet"}},
    "seeds": [0, 1],
}


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(SUITE))
    return str(path)


@pytest.fixture
def made(monkeypatch):
    """Cells that take no time: the first strategy is right on 40, the other on 80 of 100 images, and one fails."""

    def run_cells(cells, out, *, workers, watch):
        found = []
        for number, cell in enumerate(cells):
            running._accept(out, cell)
            folder = running.cell_run(out, cell)
            state = "failed" if cell.name == "writers/net/seed1" else "finished"
            folder.path.mkdir(parents=True)
            folder.set_status(state)
            rows = {
                f"strategy/{name}": {"value": 0.4 * k, "selection": 0.5, "count": 100}
                for k, name in enumerate(("erm_final", "erm_all"), 1)
            }
            folder.result.write_text(json.dumps(rows))
            found.append(running.Outcome(cell, state, 2.0, "no memory" if state == "failed" else ""))
            watch(found[-1], number + 1, len(cells))
        return found

    monkeypatch.setattr(running, "run_cells", run_cells)


def test_a_run_tells_each_cell_and_the_next_command(tmp_path, suite, made, capsys):
    out = str(tmp_path / "out")
    assert cli.main(["bench", "run", "seq-to-final", "--suite", suite, "--out", out]) == 1
    said = capsys.readouterr()
    assert "4 cells of" in said.err
    assert "[1/4] writers/mlp/seed0: finished in 0:02, about" in said.err
    assert "[4/4] writers/net/seed1: failed in 0:02: no memory" in said.err
    assert "1 of 4 cells failed; the same command tries them again." in said.out
    assert f"Next: modelheir bench summarize {out}" in said.out


def test_a_shard_is_a_part_of_the_cells(tmp_path, suite, made, capsys):
    out = tmp_path / "out"
    assert cli.main(["bench", "run", "seq-to-final", "--suite", suite, "--out", str(out), "--shard", "1/2"]) == 0
    assert sorted(path.parent.name for path in out.glob("cells/*/*/seed0.yaml")) == ["mlp", "net"]
    assert not list(out.glob("cells/*/*/seed1.yaml"))


def test_a_summary_shows_means_and_what_is_missing(tmp_path, suite, made, capsys):
    out = tmp_path / "out"
    cli.main(["bench", "run", "seq-to-final", "--suite", suite, "--out", str(out), "--quiet"])
    capsys.readouterr()
    assert cli.main(["bench", "summarize", str(out)]) == 0
    said = capsys.readouterr().out
    assert "80.00% [80.00, 80.00]" in said
    assert "40.00% (1)" in said
    assert "1 cells are not finished" in said
    rows = list(csv.DictReader((out / "summary.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert {row["state"] for row in rows} == {"finished", "failed"}


def test_a_summary_by_length_has_a_table_a_network(tmp_path, suite, made, capsys):
    out = tmp_path / "out"
    cli.main(["bench", "run", "seq-to-final", "--suite", suite, "--out", str(out), "--quiet"])
    capsys.readouterr()
    assert cli.main(["bench", "summarize", str(out), "--by", "length"]) == 0
    said = capsys.readouterr().out
    assert "3 (writers)" in said
    assert "mlp: newest reporting images right" in said
    assert sorted(path.name for path in (out / "tables").glob("*.md")) == ["length_mlp.md", "length_net.md"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runn"], "unknown part of bench 'runn'. Did you mean 'run'?"),
        (["run", "seq-to-fina"], "unknown benchmark 'seq-to-fina'. Did you mean 'seq-to-final'?"),
        (["summarize"], "OUT is missing: modelheir bench summarize OUT"),
        (["run"], "BENCHMARK is missing: modelheir bench run BENCHMARK"),
        (["summarize", "nowhere"], "nowhere holds no cells of a benchmark"),
        (["run", "seq-to-final", "--shard", "3/2"], "shard = '3/2': must be i/n"),
    ],
)
def test_a_mistake_is_one_sentence(words, message, capsys):
    assert cli.main(["bench", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_file_in_the_folder_s_place_is_refused(tmp_path, suite, capsys):
    place = tmp_path / "file"
    place.write_text("mine")
    assert cli.main(["bench", "run", "seq-to-final", "--suite", suite, "--out", str(place)]) == 2
    assert "is a file: give a folder" in capsys.readouterr().err
    assert place.read_text() == "mine"


def test_help_teaches(capsys):
    assert cli.main(["bench"]) == 0
    assert "bench summarize DIR" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["bench", "run", "--help"])
    assert "OUT/cells/SEQUENCE/ARCHITECTURE/seedN" in capsys.readouterr().out


def test_a_folder_of_results_is_that_of_a_run(tmp_path, suite, made):
    cli.main(["bench", "run", "seq-to-final", "--suite", suite, "--out", str(tmp_path / "out"), "--quiet"])
    assert RunFolder(tmp_path / "out" / "cells" / "writers" / "mlp" / "seed0").status()["state"] == "finished"
