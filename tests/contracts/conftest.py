"""Where the project is, which files it ships, and how to run it from outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def shipped():
    """Paths of all files under version control (in an unpacked archive: all files that are not built or installed)."""
    try:
        done = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        found = [ROOT / name for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        skipped = {".venv", ".venv-gate", ".git", "runs", "build", "dist", "__pycache__"}
        found = [path for path in ROOT.rglob("*") if not skipped & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in found if path.is_file())


@pytest.fixture(scope="session")
def run_python():
    """Run code in a fresh interpreter and return what it printed."""

    def run(code, *, cwd=ROOT, env=None):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
