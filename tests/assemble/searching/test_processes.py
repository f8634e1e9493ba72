"""Several processes search in one folder: no trial twice, none lost, and the result of one process alone.

The processes are copies of this one (fork), as a new one would import torch for seconds; what they share is the disk.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
import warnings

import pytest

import modelheir
from modelheir.assemble.searching import search as searching
from modelheir.assemble.searching.beside import beside
from modelheir.assemble.searching.kept import Kept
from modelheir.checks import InputError
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder

pytestmark = [
    pytest.mark.distributed,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot copy a process"),
]

WORLD = {"data": "synthetic:n=120,classes=3,size=8", "model": "mlp", "device": "cpu", "quiet": True, "fit.threads": 1}
SPACE = {"fit.lr": [0.01, 0.001, 0.1], "inputs.erase": [0.0, 0.3]}


def search(out, **changes):
    given = {"strategy": "grid", "epochs": 1, **WORLD, **changes}
    return modelheir.search("finetune", SPACE, out=str(out), **given)


def start(work, *arguments):
    """Start a copy of this process."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that a copy lacks: it uses none
        process.start()
    return process


def until(found, seconds=60):
    stop = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < stop
        time.sleep(0.005)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Trainings of some milliseconds, which write down who did which."""

    def train(method, config, settings, *, command=()):
        folder = RunFolder(config.out)
        with (tmp_path / "log").open("a") as log:
            log.write(f"{os.getpid()} {folder.path.name}\n")
        time.sleep(0.03)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.result, {"val/accuracy": {"value": 0.5 + config.fit.lr - 0.1 * config.inputs.erase}})

    monkeypatch.setattr(searching, "train", train)
    return lambda: [line.split() for line in (tmp_path / "log").read_text().splitlines()]


@pytest.mark.parametrize("strategy", ["grid", "greedy"])
def test_four_processes_share_the_trials(tmp_path, fake, strategy):
    alone = search(tmp_path / "one", strategy=strategy)
    (tmp_path / "log").unlink()
    several = [start(lambda: search(tmp_path / "s", strategy=strategy)) for _ in range(4)]
    for process in several:
        process.join()
        assert process.exitcode == 0
    did = fake()
    assert sorted(number for _, number in did) == [f"{trial.number:03d}" for trial in alone.trials]
    assert len({pid for pid, _ in did}) > 1
    found = search(tmp_path / "s", strategy=strategy)
    assert len(fake()) == len(did)
    outcome = [(trial.number, trial.changes, trial.state, trial.value) for trial in found.trials]
    assert outcome == [(trial.number, trial.changes, trial.state, trial.value) for trial in alone.trials]
    assert (found.best.number, found.complete) == (alone.best.number, True)


@pytest.mark.slow
def test_a_race_of_real_trainings_and_a_kill_lose_nothing(tmp_path):
    """One of two processes is killed in the middle of a training; the other takes it up, and ends as one alone does."""
    alone = search(tmp_path / "one", epochs=6)
    folder = tmp_path / "s"
    killed, other = (start(lambda: search(folder, epochs=6)) for _ in range(2))

    def trained_by(pid):
        for status in folder.glob("trials/*/status.json"):
            with contextlib.suppress(OSError, ValueError):
                told = json.loads(status.read_text())
                if told["state"] == "running" and told["process"]["pid"] == pid:
                    return RunFolder(status.parent).metrics.is_file()
        return False

    until(lambda: trained_by(killed.pid))
    os.kill(killed.pid, signal.SIGKILL)
    other.join()
    assert other.exitcode == 0
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    found = search(folder, epochs=6)
    assert [trial.state for trial in found.trials] == ["finished"] * 6
    assert [(trial.changes, trial.value) for trial in found.trials] == [
        (one.changes, one.value) for one in alone.trials
    ]
    assert found.best.number == alone.best.number
    for trial in found.trials:
        assert RunFolder(found.run(trial)).status()["state"] == "finished"


@pytest.mark.slow
def test_processes_of_a_launcher_train_each_trial_together(tmp_path, copies):
    """MC-58: all ranks of a run get the same settings."""
    words = ["search", "finetune", "--data", WORLD["data"], "--model", "mlp", "--device", "cpu", "--epochs", "1"]
    words += ["--search.fit.lr", "0.01", "0.1", "--strategy", "grid", "--quiet", "--out", str(tmp_path / "s")]
    done = copies.command(*words, world=2)
    assert done.returncode == 0, done.stderr
    held = json.loads((tmp_path / "s" / "search.json").read_text())
    assert [row["state"] for row in held["trials"]] == ["finished"] * 2
    for number in ("000", "001"):
        told = json.loads((tmp_path / "s" / "trials" / number / "environment.json").read_text())
        assert told["processes"] == 2


def test_a_trial_of_a_living_process_is_waited_for(tmp_path, fake, monkeypatch):
    """It is neither taken nor passed over; when its process dies, it is taken up again."""

    def hang(*_, **__):
        time.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(searching, "train", hang)
        hanging = start(lambda: search(tmp_path / "s"))
    until(lambda: (tmp_path / "s" / "search.json").is_file())
    other = start(lambda: search(tmp_path / "s"))
    until(lambda: (tmp_path / "log").is_file() and len(fake()) == 5)
    other.join(0.5)
    assert other.is_alive()
    assert [row["state"] for row in json.loads((tmp_path / "s" / "search.json").read_text())["trials"]] == [
        "running", *["finished"] * 5,
    ]  # fmt: skip
    hanging.kill()
    hanging.join()
    other.join()
    assert [number for _, number in fake()][-1] == "000"
    assert all(trial.state == "finished" for trial in search(tmp_path / "s").trials)


def test_a_file_that_is_not_let_go_of_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("modelheir.assemble.searching.kept._PATIENCE", 0.1)
    kept = Kept(tmp_path / "search.json", {"method": "finetune"})
    with kept.alone(), pytest.raises(InputError, match="is being written by another process"), kept.alone():
        pass


def test_helpers_are_waited_for_and_ended_with_the_first(tmp_path):
    mark = tmp_path / "mark"
    wait = [sys.executable, "-c", "import time; time.sleep(60)"]
    with beside([[sys.executable, "-c", f"open({str(mark)!r}, 'w')"]]):
        pass
    assert mark.is_file()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), beside([wait]):
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30
