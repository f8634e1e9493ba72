"""Real runs of the real command: killed, doubled, short of disk, on several processes, on real images.

New processes are started where the process is what is tested: how it starts, ends, and is told to end.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from modelheir.assemble import train
from modelheir.checks import InputError
from modelheir.cli import main
from modelheir.inference import device
from modelheir.runs import RunFolder, read_predictions
from modelheir.runs.tensors import load_weights

DATA = "synthetic:n=240,classes=3,size=8"
CIFAR = Path(__file__).parents[3] / "shared" / "data" / "cifar10"
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}


def command(*words):
    return [sys.executable, "-m", "modelheir.cli", *map(str, words)]


@pytest.fixture(scope="module")
def run(copies):
    """Return what runs a command, in a process of its own or several."""

    def ended(*words, expect=0, world=1):
        done = copies.command(*words, world=world, env={"COLUMNS": "200"})
        assert done.returncode == expect, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return ended


def begun(copies, words):
    """Return a process that has begun to run a command."""
    if copies.possible():
        with Path(os.devnull).open("w") as nowhere:
            return copies.start(lambda: main(words), {}, nowhere, nowhere)
    process = multiprocessing.get_context("spawn").Process(target=main, args=(words,))
    process.start()
    return process


def options(out, **more):
    base = {
        "data": DATA,
        "model": "mlp",
        "out": out,
        "device": "cpu",
        "epochs": 4,
        "fit.batch_size": 16,
        "fit.lr": 0.05,
    }
    return [word for key, value in {**base, **more}.items() for word in (f"--{key}", str(value))]


@pytest.fixture(scope="module")
def old(run, tmp_path_factory):
    """A trained old model."""
    path = tmp_path_factory.mktemp("runs") / "old"
    run("train", "finetune", *options(path, **{"inputs.train_fraction": 0.5}))
    return path


def test_kill_in_the_middle_of_an_epoch_changes_no_bit(run, copies, old, tmp_path):
    settings = {"old": f"run:{old}", "fit.save_every_steps": 3, "epochs": 20}
    run("train", "upgrade", *options(tmp_path / "straight", **settings))
    words = ("train", "upgrade", *options(tmp_path / "killed", **settings))
    resume = RunFolder(tmp_path / "killed").stage(0, "train").resume
    killed = 0
    for _ in range(3):
        before = resume.stat().st_mtime_ns if resume.exists() else 0
        process = begun(copies, words)
        deadline = time.monotonic() + 120
        while process.is_alive() and time.monotonic() < deadline:
            if resume.exists() and resume.stat().st_mtime_ns > before:
                process.kill()
                killed += 1
                break
            time.sleep(0.002)
        process.join()
    assert killed
    run(*words)
    for name in ("weights.safetensors", "predictions/test.parquet", "result.json"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    rows = [
        [json.loads(line) for line in (tmp_path / run_ / "metrics.jsonl").read_text().splitlines()]
        for run_ in ("straight", "killed")
    ]
    assert [row["loss"] for row in rows[0]] == [row["loss"] for row in rows[1]]


@pytest.mark.distributed
def test_two_processes_give_the_losses_and_metrics_of_one(run, old, tmp_path):
    settings = {"old": f"run:{old}", "method.distance.loss": "neighbourhood_alignment", "method.pull.focus": 2.0}
    run("train", "upgrade", *options(tmp_path / "one", **settings))
    run("train", "upgrade", *options(tmp_path / "two", **settings), world=2)
    one, two = ((tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("one", "two"))
    for a, b in zip(map(json.loads, one), map(json.loads, two), strict=True):
        for key in a:
            if key not in ("images_per_second", "data_seconds", "stage"):
                assert a[key] == pytest.approx(b[key], rel=1e-4, abs=1e-6), key
    a, b = (read_predictions(tmp_path / name / "predictions" / "test.parquet") for name in ("one", "two"))
    assert (a.sample_id == b.sample_id).all()
    np.testing.assert_allclose(a.logits, b.logits, rtol=1e-3, atol=1e-4)


def test_training_from_the_saved_settings_repeats_the_run(run, old, tmp_path):
    run("train", "upgrade", *options(tmp_path / "a", old=f"run:{old}"))
    run("train", "upgrade", "--config", tmp_path / "a" / "config.yaml", "--out", tmp_path / "b")
    assert (tmp_path / "a/weights.safetensors").read_bytes() == (tmp_path / "b/weights.safetensors").read_bytes()
    about = json.loads((tmp_path / "a" / "environment.json").read_text())
    assert about["seeds"]["seed"] == 0
    assert about["packages"]["torch"]


def test_two_runs_into_one_folder(run, tmp_path):
    with RunFolder(tmp_path / "a").locked():
        said = run("train", "finetune", *options(tmp_path / "a"), expect=2).stderr
    assert "is being written by another run" in " ".join(said.split())


def test_old_model_at_chance_is_stopped_with_its_accuracy(run, tmp_path):
    from modelheir.config.network import NetworkConfig
    from modelheir.models import build
    from modelheir.runs.files import write_json
    from modelheir.runs.tensors import save_weights

    model = build("mlp", classes=("0", "1", "2"), image_size=8, config=NetworkConfig(), seed=0)
    model.head.weight.data.zero_()
    folder = RunFolder(tmp_path / "weak")
    from modelheir.config.inputs import InputConfig
    from modelheir.data import open_splits

    write_json(folder.model, {**model.spec, "classes": list(open_splits(DATA, InputConfig())["train"].classes)})
    save_weights(folder.weights, model.state_dict())
    words = options(tmp_path / "new", old=f"run:{folder.path}")
    said = " ".join(run("train", "upgrade", *words, expect=2).stderr.split())
    assert "no better than chance" in said
    assert "%" in said
    assert not (tmp_path / "new" / "stages").exists()
    run("train", "upgrade", *words, "--allow_weak_teacher", "true")


LIMITED = """
import resource, sys
from modelheir.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))  # files of at most 64 KiB
sys.exit(main(sys.argv[1:]))
"""


def test_full_disk_ends_in_one_sentence_and_the_run_goes_on_later(run, copies, tmp_path):
    words = ("train", "finetune", *options(tmp_path / "a", model="resnet8", epochs=1))
    done = copies.program(LIMITED, *words)
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "a").rglob("*.part*")]
    assert not (tmp_path / "a" / "weights.safetensors").exists()
    run(*words)
    assert load_weights(tmp_path / "a" / "weights.safetensors")


def test_interrupted_run_says_how_to_go_on(tmp_path):
    words = command("train", "finetune", *options(tmp_path / "a", epochs=4000))
    with subprocess.Popen(words, env=ENV, stderr=subprocess.PIPE, text=True) as process:
        resume = RunFolder(tmp_path / "a").stage(0, "train").resume
        while not resume.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "same command" in said
    assert json.loads((tmp_path / "a" / "status.json").read_text())["state"] == "interrupted"


@pytest.mark.parametrize("together", [False, True])
def test_training_outlives_a_reader_that_leaves(tmp_path, together):
    """As with ``| head -1``, and with ``2>&1 | head -1``: the pipe is closed after the first line."""
    words = command("train", "finetune", *options(tmp_path / "a", epochs=2))
    out = subprocess.STDOUT if together else subprocess.PIPE
    with subprocess.Popen(words, env=ENV, stdout=subprocess.PIPE, stderr=out, text=True) as process:
        streams = [process.stdout] if together else [process.stderr, process.stdout]
        assert streams[0].readline()
        for stream in streams:
            stream.close()
    assert process.returncode == 0
    assert RunFolder(tmp_path / "a").status()["state"] == "finished"


@pytest.mark.skipif(not CIFAR.is_dir(), reason="CIFAR-10 (JPEG) is not beside the checkout")
def test_a_short_update_on_real_images_gives_numbers_and_a_page(run, tmp_path):
    real = {"data": f"parquet:{CIFAR}", "model": "convnet", "epochs": 1, "inputs.val_fraction": 0.01}
    real |= {"fit.batch_size": 64, "network.kwargs": '{"width": 8, "blocks": 3}'}
    run("train", "finetune", *options(tmp_path / "v1", **real, **{"inputs.train_fraction": 0.01}))
    new = {**real, "old": f"run:{tmp_path / 'v1'}", "inputs.train_fraction": 0.02, "seed": 1}
    run("train", "upgrade", *options(tmp_path / "v2", **new), "--allow_weak_teacher", "true")
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    run("compare", tmp_path / "v1", tmp_path / "v2", "--json", numbers, "--html", page, "--max-nfr", 0.9)
    found = json.loads(numbers.read_text())
    assert found["n"] == 10_000
    assert found["accuracy_new"] == pytest.approx(found["accuracy_old"] - found["nfr"] + found["pfr"])
    assert {row["class"] for row in found["per_class"]} >= {"airplane", "truck"}
    assert "airplane" in page.read_text()


def test_a_setting_that_the_chosen_loss_does_not_read_is_refused(tmp_path):
    import modelheir

    with pytest.raises(
        InputError, match=r"method\.distance\.renyi\.alpha = 3\.0 has no effect with .*loss = 'kl_distil"
    ):
        modelheir.train(
            "upgrade",
            data=DATA,
            old="run:nowhere",
            out=str(tmp_path / "x"),
            method={"distance": {"renyi": {"alpha": 3.0}}},
        )
    assert not (tmp_path / "x").exists()


def test_settings_of_the_device_hold_during_the_run_and_are_recorded(quick, monkeypatch):
    """The flags are torch's, there without a GPU, too; here the run takes its CPU for one."""
    before, gpu = torch.get_float32_matmul_precision(), torch.device("cuda")
    for name in ("cuda_settings", "settings_in_force"):
        own = getattr(device, name)
        monkeypatch.setattr(device, name, lambda _, own=own, **settings: own(gpu, **settings))
    path = train("finetune", quick(fit={"epochs": 1, "tf32": True, "cudnn_benchmark": True}))
    recorded = json.loads((path / "environment.json").read_text())["device_settings"]
    assert recorded == {"tf32_matrix_products": True, "tf32_convolutions": True, "cudnn_benchmark": True}
    assert torch.get_float32_matmul_precision() == before
