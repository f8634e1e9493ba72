"""One writer at a time; and which process it is: alive, dead, dead but not yet buried, another of the same number."""

import json
import os
import subprocess
import sys
import time

import pytest

from modelheir.runs.folder import RunFolder
from modelheir.runs.lock import has_died, locked, this_process


def test_a_lock_has_one_holder_and_is_free_afterwards(tmp_path):
    with locked(tmp_path / "lock"):
        with pytest.raises(BlockingIOError), locked(tmp_path / "lock"):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "lock"):
        pass
    with pytest.raises(FileNotFoundError), locked(tmp_path / "none" / "lock"):
        pass


@pytest.fixture
def child():
    """A process that waits, and how it describes itself."""
    code = "import json, sys; from modelheir.runs.lock import this_process\n"
    code += "print(json.dumps(this_process()), flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, json.loads(process.stdout.readline())
        process.kill()


def test_a_process_is_dead_once_it_has_ended_even_before_anyone_asks(child):
    process, described = child
    assert described["pid"] == process.pid
    assert not has_died(this_process())
    assert not has_died(described)
    process.kill()
    until = time.monotonic() + 30
    while not has_died(described):  # a zombie until it is waited for
        assert time.monotonic() < until
        time.sleep(0.01)
    process.wait()
    assert has_died(described)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process began")
def test_another_process_of_the_same_number_is_not_the_one():
    assert has_died({**this_process(), "started": "1"})


@pytest.mark.parametrize("odd", [None, [], {}, {"machine": "elsewhere", "pid": os.getpid()}, {"pid": "x"}])
def test_what_cannot_be_known_is_not_called_dead(odd):
    assert not has_died(odd)
    assert not has_died({**this_process(), "pid": -1})


def test_a_run_whose_process_died_is_interrupted(child, tmp_path):
    process, described = child
    folder = RunFolder(tmp_path)
    folder.set_status("running")
    assert folder.status()["state"] == "running"
    folder.settle()
    assert folder.status()["state"] == "running"
    folder.set_status("running", process=described)
    process.kill()
    process.wait()
    assert folder.status()["state"] == "interrupted"
    assert '"running"' in (tmp_path / "status.json").read_text()
    folder.settle()
    assert '"interrupted"' in (tmp_path / "status.json").read_text()
    folder.set_status("finished")
    folder.settle()
    assert folder.status()["state"] == "finished"
