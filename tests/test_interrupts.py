"""Signals to real commands: one, two and three within a moment; and processes that are killed under torchrun."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelheir import interrupts
from modelheir.runs import RunFolder

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}

TRAIN = ["train", "finetune", "--data", "synthetic:n=240,classes=3,size=8", "--model", "mlp", "--device", "cpu"]
TRAIN += ["--epochs", "20000", "--fit.batch_size", "16", "--fit.lr", "0.05", "--fit.save_every_seconds", "0.2"]


def wait_for(path, process):
    until = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)


CASES = {
    "two": ([signal.SIGINT] * 2, 130),
    "three": ([signal.SIGINT] * 3, 130),
    "terminated": ([signal.SIGTERM], 143),
    "both": ([signal.SIGTERM, signal.SIGINT], 143),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Runs that were sent signals within 0.15 s once they trained: folder, exit code and what they said."""
    top, processes = tmp_path_factory.mktemp("stopped"), {}
    for name in CASES:
        words = [sys.executable, "-m", "modelheir.cli", *TRAIN, "--out", str(top / name)]
        processes[name] = subprocess.Popen(words, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = {}
    try:
        for name, process in processes.items():
            wait_for(RunFolder(top / name).stage(0, "train").resume, process)
            for number in CASES[name][0]:
                process.send_signal(number)
                time.sleep(0.04)
            said = process.communicate(timeout=60)[1]
            found[name] = (top / name, process.returncode, said)
    finally:
        for process in processes.values():
            process.kill()
    return found


@pytest.mark.parametrize("name", CASES)
def test_signals_end_a_run_cleanly_however_many(stopped, name):
    folder, code, said = stopped[name]
    assert code == CASES[name][1]
    assert "Traceback" not in said
    assert "Exception" not in said
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    if name == "terminated":
        assert "run the same command again to resume" in said


@pytest.mark.parametrize("name", ["three"])
def test_what_was_stopped_goes_on(stopped, name):
    folder = stopped[name][0]
    words = [sys.executable, "-m", "modelheir.cli", *TRAIN, "--out", str(folder)]
    with subprocess.Popen(words, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "going on after step" in line:
                break
        process.terminate()
        process.communicate(timeout=60)
    assert "going on after step" in line


WORKER = """
import os, sys
from pathlib import Path
from modelheir.cli import main
code = main(sys.argv[2:])
Path(sys.argv[1], "code").write_text(str(code))
sys.exit(code)
"""


def ranks(launcher):
    """Return the process number of each rank that a launcher started."""
    found = {}
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        (rank,) = (int(word[5:]) for word in words if word.startswith(b"RANK="))
        found[rank] = int(child)
    return found


@pytest.mark.distributed
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_is_named_by_the_other(tmp_path, killed):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(worker)]
    words = [*launch, str(tmp_path), *TRAIN, "--out", str(tmp_path / "run")]
    env = {**ENV, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(RunFolder(tmp_path / "run").stage(0, "train").resume, process)
        found = ranks(process.pid)
        os.kill(found[killed], signal.SIGKILL)
        began = time.monotonic()
        said = process.communicate(timeout=60)[1]
    assert time.monotonic() - began < 60
    assert f"modelheir train: process {killed} (pid {found[killed]}) of 2 was lost" in said
    assert "run the same command again" in said
    ours = said.partition("torch/distributed/run.py")[0]
    assert "gloo" not in ours.lower()
    assert int((tmp_path / "code").read_text()) == interrupts.LOST
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "interrupted"


@pytest.fixture
def own_handlers():
    """Give this process its handlers back, and forget the signal."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    interrupts._Now.number = 0


def signalled(number, reached, *, wait):
    with interrupts.listening(), interrupts.held() if wait else contextlib.nullcontext():
        assert not interrupts.asked()
        signal.raise_signal(number)
        reached.append(interrupts.asked())


@pytest.mark.usefixtures("own_handlers")
def test_the_first_signal_waits_while_it_is_held_and_else_ends_at_once():
    reached = []
    with pytest.raises(interrupts.Stopped) as stop:
        signalled(signal.SIGTERM, reached, wait=True)
    assert reached == [signal.SIGTERM]
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # nothing disturbs what is left to do
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(interrupts.Stopped) as stop:
        signalled(signal.SIGINT, reached, wait=False)
    assert len(reached) == 1
    assert stop.value.code == 130


def test_handlers_are_left_as_they_were_and_what_is_ignored_stays_ignored():
    usual = signal.getsignal(signal.SIGINT)
    ignored = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interrupts.listening():
            assert signal.getsignal(signal.SIGINT) != usual
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, ignored)
    assert signal.getsignal(signal.SIGINT) == usual
