"""Every benchmark runs, at sizes that say nothing about speed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SMALL = {
    "compare": ["--rows", "2000", "--classes", "5"],
    "data_loading": ["--images", "40", "--batch", "10", "--workers", "1", "--rounds", "1", "--cifar10", "nowhere"],
    "loop": ["--batches", "2", "--rounds", "1"],
    "defaults": ["--sets", "digits", "--seeds", "0", "--images", "320"],
    "coverage": ["--draws", "16", "--tables", "share", "gain", "relative", "graded", "calibration"],
    "selection": ["--rows", "5000", "--classes", "5", "--k", "20", "--images", "40", "--size", "16"],
    "distillation_step": ["--size", "8", "--batch", "8", "--rounds", "1"],
    "subspace_step": ["--blocks", "1", "--size", "8", "--batch", "8", "--rounds", "1", "--processes", "2"],
    "cotrain_step": ["--encoders", "pixels:left", "pixels:right", "--size", "8", "--batch", "8", "--rounds", "1"],
    "trajectory_pca": ["--snapshots", "8", "--components", "3", "--weights", "4000", "--rounds", "1"],
    "seq_grid": ["--nets", "digits", "--epochs", "1", "--runners", "sequential", "--plain_settings", "1"],
}
SAYS = {"defaults": "| default - arm |", "coverage": "lowest coverage"}


def test_every_benchmark_is_run():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_benchmark(name, tmp_path):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, FOLDER / f"{name}.py", *SMALL[name]]
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=200, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert SAYS.get(name, "ratio") in done.stdout
