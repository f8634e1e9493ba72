"""What a person can get wrong before and while training: one sentence, exit code 2, nothing half-written."""

import json
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modelheir.cli import main

QUICK = ("--epochs", "1", "--model", "convnet", "--quiet", "--device", "cpu")


TRAINING = {
    "method": (["finetun"], "unknown method 'finetun'. Did you mean 'finetune'?"),
    "setting": (["finetune", "--fit.epoch", "1"], "Did you mean '--fit.epochs'?"),
    "value": (["finetune", "--fit.lr", "-1"], "fit.lr = -1.0: must be >= 0."),
    "nan": (["finetune", "--fit.lr", "nan"], "fit.lr = 'nan': must be a number >= 0."),
    "epochs": (["finetune", "--epochs", "-2"], "fit.epochs = -2: must be >= 1."),
    "seed": (["finetune", "--seed", "-1"], "seed = -1: must be >= 0."),
    "init_seed": (["finetune", "--init_seed", "-1"], "init_seed = -1: must be >= 0."),
    "large_seed": (["finetune", "--seed", str(2**63)], "must be below 2 to the power of 63."),
    "loss": (["upgrade", "--old", "v1", "--method.distance.loss", "kl_distilation"], "Did you mean 'kl_distillation'?"),
    "tracker": (["finetune", "--trackers", "tensorbord"], "Did you mean 'tensorboard'?"),
    "device": (["finetune", "--device", "gpu"], "device = 'gpu': must be auto, cpu, cuda, cuda:N or mps."),
    "config": (["finetune", "--config", "list.yaml"], "list.yaml must hold settings as `key: value` lines"),
    "no_config": (["finetune", "--config", "no.yaml"], "no.yaml is missing"),
    "out": (["finetune", "--out", "a_file"], "a_file is a file: give a folder as --out."),
    "under": (["finetune", "--out", "a_file/x"], "cannot write the run folder a_file/x"),
    "missing": (["finetune", "--data", "folder:nope"], "folder:nope: there is no such folder."),
    "empty": (["finetune", "--data", "folder:empty"], "there is no class folder with images in it."),
    "hollow": (["finetune", "--data", "folder:hollow"], "folder:hollow/train: no images for 'a', 'b'."),
    "one_class": (["finetune", "--data", "folder:one"], "there is only one class (a); two are needed."),
    "differ": (["finetune", "--data", "folder:differ"], "train and val differ: val lacks 'c'; train lacks 'd'."),
    "source": (["finetune", "--data", "foldr:good"], "Did you mean 'folder'?"),
    "bare": (["finetune", "--data", "good"], "data = 'good' does not say its kind: write folder:good."),
    "text": (["finetune", "--data", "parquet:text.parquet"], "text.parquet: not a readable Parquet file"),
    "list": (["finetune", "--data", "list:headed.txt"], "line 1 must be 'path label'"),
    "gone": (["finetune", "--data", "list:gone.txt"], ".jpg: no such file"),
    "class": (["finetune", "--inputs.train_classes", "q"], "unknown class 'q'. Known: a, b, c."),
    "network": (["finetune", "--model", "rsnet8"], "unknown network 'rsnet8'. Did you mean 'resnet8'?"),
    "accumulate": (["finetune", "--fit.batch_size", "10", "--fit.accumulate", "3"], "must divide the 10 images"),
    "no_old": (["upgrade"], "train upgrade needs --old, the model in production"),
    "old": (["upgrade", "--old", "run:nope"], "the run folder nope does not exist."),
    "no_run": (["upgrade", "--old", "good"], "good is no run folder"),
    "path": (["upgrade", "--old", "nope"], "'nope' is no trained model: give run:DIR"),
    "partial": (["upgrade", "--old", "partial"], "does not fit convnet with 3 classes: 1 missing (head.weight)"),
    "wider": (["upgrade", "--old", "wider"], "Nothing was loaded."),
    "cut": (["upgrade", "--old", "cut"], "cut/weights.safetensors is not a whole safetensors file"),
    "listed": (["upgrade", "--old", "listed"], "the model's description must be a mapping, got a list"),
    "odd": (["upgrade", "--old", "file:odd.pt"], "odd.pt does not say which network it holds"),
    "misfit": (["upgrade", "--old", "file:odd.pt:convnet"], "holds no classifier layer of convnet"),
    "broken": (["upgrade", "--old", "file:broken.pt"], "broken.pt is not a whole torch file"),
    "code": (["upgrade", "--old", "file:evil.pt"], "such a file can run code when it is opened, so it is refused."),
    "pickle": (["upgrade", "--old", "file:bare.pth"], "such a file can run code when it is opened"),
    "chance": (["upgrade", "--old", "chance"], "is right on 33.3% of the selection split, no better than chance"),
    "weights": (["upgrade", "--old", "v1", "--old_weights", "1", "2"], "gives 2 weights for 1 old models."),
    "stored": (["upgrade", "--old", "v1/predictions/test.parquet"], "stored outputs lack 18 of 18 samples"),
    "table": (["upgrade", "--old", "text.parquet"], "text.parquet cannot be read as parquet"),
    "likely": (["upgrade", "--old", "v1", "--method.likelihoods", "no.parquet"], "no.parquet is missing or is no file"),
    "infinite": (["upgrade", "--old", "diverged", "--allow_weak_teacher"], "the loss is not finite at epoch 1, step 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINING)
def test_training_is_refused_before_it_leaves_anything(name, here, refused):
    (method, *words), said = TRAINING[name]
    before = sorted(here.iterdir())
    found = refused("train", method, "--data", "folder:good", "--out", "out", *QUICK, *words)
    assert said in found
    assert sorted(here.iterdir()) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(here, refused):
    found = refused("train", "finetune", "--data", "folder:good", "--out", "out", "--device", "cuda")
    assert "device = 'cuda' is not usable here" in found
    assert "Try --device cpu." in found
    assert not Path("out").exists()


def test_images_too_small_for_the_network(here, refused):
    pytest.importorskip("torchvision")
    words = ["train", "finetune", "--data", "folder:good", "--out", "out", *QUICK, "--model", "tv:inception_v3"]
    assert "tv:inception_v3 cannot take images of 8 pixels" in refused(*words)
    assert not Path("out").exists()


def test_a_mended_command_may_use_the_same_folder(here, tmp_path, refused):
    words = ["train", "finetune", "--out", tmp_path / "out", *QUICK]
    refused(*words, "--data", "folder:nope")
    assert main([str(word) for word in [*words, "--data", "folder:good"]]) == 0
    assert "holds a run with seed = 0, and this one has 3" in refused(*words, "--data", "folder:good", "--seed", "3")


def test_a_batch_larger_than_the_data_is_the_data(here, tmp_path):
    words = ["--data", "folder:good", "--out", str(tmp_path / "out"), *QUICK, "--fit.batch_size", "999"]
    assert main(["train", "finetune", *words]) == 0


def test_a_loss_that_is_not_finite_keeps_the_last_good_state(here, tmp_path, refused):
    out = tmp_path / "out"
    words = ["train", "finetune", "--data", "folder:good", "--out", out, *QUICK, "--epochs", "9", "--fit.lr", "1e30"]
    words += ["--fit.save_every_epochs", "1"]
    said = refused(*words)
    assert re.search(r"(the loss|a weight) is not finite at epoch \d.* samples: train/[abc]/\d\.png", said)
    assert "Lower fit.lr or set fit.clip_norm" in said
    assert "The last good state is kept in" in said
    assert list(out.rglob("resume.safetensors"))
    assert json.loads((out / "status.json").read_text())["state"] == "failed"
    assert not (out / "weights.safetensors").exists()


def test_two_runs_writing_one_folder(here, tmp_path, refused):
    from modelheir.runs.folder import RunFolder

    with RunFolder(tmp_path / "out").locked():
        words = ["train", "finetune", "--data", "folder:good", "--out", tmp_path / "out", *QUICK]
        assert "is being written by another run: wait for it, or give another --out." in refused(*words)


def test_a_full_disk_while_saving(here, tmp_path, monkeypatch, refused):
    from modelheir.runs import tensors

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensors, "save_file", full)
    words = ["train", "finetune", "--data", "folder:good", "--out", tmp_path / "out", *QUICK]
    assert "No space left on device. Free the space" in refused(*words)
    assert list(tmp_path.rglob("*.part")) == []
    assert list(tmp_path.rglob("weights.safetensors")) == []


def png_of_size(width, height):
    """Return a PNG whose header says this size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunks + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


IMAGES = {
    "foreign": (b"this is no image", "1 of 18 images cannot be decoded (train/a/0.png: not an image)"),
    "nothing": (b"", "train/a/0.png: empty file"),
    "truncated": (None, "train/a/0.png: image file is truncated"),
    "zero": (png_of_size(0, 0), "train/a/0.png: not an image"),
    "huge": (png_of_size(60_000, 60_000), "more than 89 million pixels, over the limit of 50"),
    "large": (png_of_size(9_000, 7_000), "9000 x 7000 = 63.0 million pixels, over the limit of 50"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_that_cannot_be_used(name, here, tmp_path, refused):
    content, said = IMAGES[name]
    shutil.copytree("good", tmp_path / "data")
    place = tmp_path / "data" / "train" / "a" / "0.png"
    whole = place.read_bytes()
    place.write_bytes(whole[: len(whole) // 2] if content is None else content)
    words = ["train", "finetune", "--data", f"folder:{tmp_path / 'data'}", "--out", tmp_path / "out", *QUICK]
    assert said in refused(*words)
    assert not (tmp_path / "out").exists()


def test_grey_alpha_and_16_bit_images_are_fine(here, tmp_path):
    shutil.copytree("good", tmp_path / "data")
    place, rng = tmp_path / "data" / "train", np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(place / "a" / "0.png")
    Image.fromarray(rng.integers(0, 255, (8, 8, 4), dtype=np.uint8)).save(place / "b" / "0.png")
    Image.fromarray(rng.integers(0, 65535, (8, 8), dtype=np.uint16)).save(place / "c" / "0.png")
    words = ["--data", f"folder:{tmp_path / 'data'}", "--out", str(tmp_path / "out"), *QUICK]
    assert main(["train", "finetune", *words]) == 0
