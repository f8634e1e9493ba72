"""Hostile inputs through the real command line, in a process of their own with bounds on memory and time.

``MODELHEIR_FUZZ`` multiplies the number of inputs (default 1). The summary says how many were tried.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCALE = float(os.environ.get("MODELHEIR_FUZZ", "1"))
TRIED = pytest.StashKey[dict]()


@pytest.fixture
def fuzz(request, tmp_path, capsys):
    """Run a module of ``inputs/`` for a number of inputs; fail with the first one that breaks a bound."""

    def run(target, *, count, seconds=20, gigabytes=4.0, seed=0):
        number = max(1, int(count * SCALE))
        words = [target, str(number), str(seed), str(seconds), str(gigabytes), str(tmp_path)]
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("child.py")), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120 + 60 * SCALE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MODELHEIR_TRACEBACK": "0"},
        )
        report = tmp_path / "report.json"
        found = json.loads(report.read_text()) if report.is_file() else {}
        last = (tmp_path / "last").read_text() if (tmp_path / "last").is_file() else "none"
        assert done.returncode == 0, f"input {last} ended the process ({done.returncode}): {done.stderr[-3000:]}"
        with capsys.disabled():
            print(f"\n{target}: {found['tried']:,} inputs, exit codes {found['codes']}", end=" ")
        return found

    return run
