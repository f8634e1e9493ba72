"""Cells: each a process; what is finished is kept, what was killed goes on, what failed is told and tried again."""

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import yaml

from modelheir.bench import running
from modelheir.bench.running import cell_file, cell_run, run_cells
from modelheir.bench.suite import Cell
from modelheir.checks import InputError
from modelheir.cli import main
from modelheir.runs.predictions import read_predictions

SETTINGS = {
    "data": "synthetic:n=90,classes=3,size=8",
    "model": "mlp",
    "fit.epochs": 1,
    "fit.threads": 1,
    "method.history": ("synthetic:n=60,classes=3,size=8,seed=9",),
    "method.strategies": ("erm_final", "erm_all"),
    "method.seeds": 1,
    "seed": 0,
}


def cell(seed=0, **changes):
    return Cell("two", "mlp", seed, {**SETTINGS, "seed": seed, **changes})


class Copy:
    """A process of a cell that is a copy of this one, behind the words of ``Popen``."""

    def __init__(self, copies, command, stdin, stdout, stderr):
        words = command[3:]  # behind python -m modelheir.cli
        self._process = copies.start(lambda: sys.exit(main(words)), {}, stdout, stderr)
        self.terminate = self._process.terminate

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self):
        self._process.join()


@pytest.fixture
def copied(copies, monkeypatch):
    """Let cells be copies of this process, as a new one imports torch for seconds."""
    if copies.possible():
        popen = functools.partial(Copy, copies)
        monkeypatch.setattr(running, "subprocess", SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL))


def test_cells_are_trained_once_and_kept(tmp_path):
    seen = []
    cells = [cell(0), cell(1)]
    first = run_cells(cells, tmp_path, workers=2, watch=lambda *row: seen.append(row))
    assert [one.state for one in first] == ["finished", "finished"]
    assert [row[1:] for row in seen] == [(1, 2), (2, 2)]
    result = json.loads(cell_run(tmp_path, cells[0]).result.read_text())
    assert {"strategy/erm_final", "strategy/erm_all"} <= set(result)
    before = cell_run(tmp_path, cells[0]).result.stat().st_mtime_ns
    assert [one.state for one in run_cells(cells, tmp_path)] == ["kept", "kept"]
    assert cell_run(tmp_path, cells[0]).result.stat().st_mtime_ns == before


@pytest.mark.usefixtures("copied")
def test_a_cell_is_what_train_would_make_of_its_file(tmp_path, copies):
    """The written file alone repeats it: the same weights."""
    one = cell(2)
    run_cells([one], tmp_path)
    again = tmp_path / "again"
    done = copies.command("train", "adapt", "--config", cell_file(tmp_path, one), "--out", again, "--quiet")
    assert done.returncode == 0, done.stderr
    assert (again / "weights.safetensors").read_bytes() == cell_run(tmp_path, one).weights.read_bytes()


@pytest.mark.usefixtures("copied")
def test_a_failed_cell_is_told_and_leaves_the_others(tmp_path):
    """One that names a network that is not there."""
    bad = dataclasses.replace(cell(0, model="mlpp"), architecture="bad")
    found = run_cells([bad, cell(0)], tmp_path)
    assert [one.state for one in found] == ["failed", "finished"]
    assert "mlpp" in found[0].reason
    assert run_cells([bad], tmp_path)[0].state == "failed"


@pytest.mark.usefixtures("copied")
def test_results_of_other_settings_are_never_mixed(tmp_path):
    run_cells([cell(0)], tmp_path)
    other = cell(1, **{"fit.epochs": 2})
    changed = cell(0, **{"fit.epochs": 2})
    with pytest.raises(InputError, match=r"has fit\.epochs = 1, and the suite says 2: results are never mixed"):
        run_cells([other, changed], tmp_path)
    assert not cell_run(tmp_path, other).path.exists()


@pytest.mark.usefixtures("copied")
def test_a_described_sequence_is_written_once_and_drawn_anew_for_each_seed(tmp_path):
    from modelheir.bench.running import FIRST_SEED

    base = "synthetic:n=400,classes=4,size=8"
    about = {"data": base, "shifts": "rotation:recolor", "sizes": [80, 40, 40], "test_size": 20}
    settings = {key: value for key, value in SETTINGS.items() if key not in ("data", "method.history")}
    cells = [Cell("turned", "mlp", seed, {**settings, "seed": seed}, about) for seed in (0, 1)]
    assert [one.state for one in run_cells(cells, tmp_path)] == ["finished", "finished"]
    place = tmp_path / "sequences" / "turned.yaml"
    assert yaml.safe_load(place.read_text()) == about
    written = [yaml.safe_load(cell_file(tmp_path, one).read_text())["data"] for one in cells]
    assert written == [f"sequence:{place},seed={FIRST_SEED + seed}" for seed in (0, 1)]
    ids = [set(read_predictions(cell_run(tmp_path, one).predictions("test")).sample_id) for one in cells]
    assert ids[0] != ids[1]
    other = dataclasses.replace(cells[0], history={**about, "test_size": 30})
    with pytest.raises(InputError, match=r"turned\.yaml has test_size = 20, and the suite says 30"):
        run_cells([other], tmp_path)


@pytest.mark.slow
def test_a_killed_suite_goes_on_to_the_same_numbers(tmp_path):
    suite = {
        "settings": {"data": "digits", "fit": {"epochs": 6, "threads": 1}, "method": {"steps": 3}},
        "sequences": {"writers": {}},
        "architectures": {"mlp": {"model": "mlp"}},
        "seeds": [0, 1],
    }
    suite["settings"]["method"]["strategies"] = ["erm_final", "erm_all", "erm_fine_tune"]
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(suite))
    command = [sys.executable, "-m", "modelheir.cli", "bench", "run", "seq-to-final", "--suite", str(path), "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    process = subprocess.Popen([*command, str(tmp_path / "killed")], start_new_session=True)
    place = tmp_path / "killed" / "cells" / "writers" / "mlp" / "seed0" / "stages"
    while not (place.is_dir() and any(place.glob("*/result.json"))):
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run([*command, str(tmp_path / "killed")], check=True)
    for seed in (0, 1):
        parts = [tmp_path / name / "cells" / "writers" / "mlp" / f"seed{seed}" for name in ("whole", "killed")]
        whole, killed = (json.loads((part / "result.json").read_text()) for part in parts)
        assert whole == killed
