"""Hostile files end with exit code 0, 1 or 2 and a sentence: no traceback, no fault, bounded memory and time."""

import pytest


@pytest.mark.parametrize(
    ("target", "count"), [("predictions", 400), ("settings", 400), ("checkpoints", 300), ("sources", 40)]
)
def test_hostile_files(fuzz, target, count):
    found = fuzz(target, count=count)
    assert found["tried"] >= 1
    assert sum(found["codes"].values()) == found["tried"]


@pytest.mark.parametrize(
    "answer", ["return 3", "print('\\x1b[2J'); return 0", "return 1 / 0", "return [0] * 10**10", "while 1: pass"]
)
def test_the_fuzzer_notices(answer):
    """A command that breaks a bound is found: the harness itself is tried on faults made on purpose."""
    import subprocess
    import sys
    from pathlib import Path

    code = f"""
import sys, types
sys.path.insert(0, {str(Path(__file__).parent)!r})
import modelheir.cli as cli
toy = types.ModuleType("toy")
calls = []
def act(argv):
    calls.append(1)
    if len(calls) < 2: return 0
    {answer}
toy.main = act
sys.modules["toy"] = toy
cli.COMMANDS["toy"] = cli.Command("toy", "", "")
target = types.ModuleType("target_toy")
class Maker:
    def __init__(self, folder): pass
    def words(self, rng): return ["toy"]
target.Maker = Maker
sys.modules["target_toy"] = target
import tempfile
import child
child.main("toy", "3", "0", "2", "1", tempfile.mkdtemp())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
