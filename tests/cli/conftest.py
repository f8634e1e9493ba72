"""A toy table of methods, library functions that record their calls, and a shelf of good and bad things."""

import dataclasses
import os
import pickle
import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

from modelheir.checks import AtLeast, OneOf
from modelheir.cli import main
from modelheir.methods.method import Method
from modelheir.types import Predictions


@dataclasses.dataclass(frozen=True)
class Pull:
    focus: Annotated[float, AtLeast(0)] = 5.0  #: beta, weight of what was right


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    loss: Annotated[str, OneOf("kl", "ldi")] = "kl"  #: which distance
    layers: Annotated[tuple[int, ...], AtLeast(1)] = (1, 2)  #: widths
    pull: Pull = dataclasses.field(default_factory=Pull)


def plan(config, parts):
    return []


def toy(name, **changes):
    return Method(name=name, summary=f"{name} it", situation="nothing", config=ToyConfig, plan=plan, **changes)


@pytest.fixture
def methods():
    return {
        "plain": toy("plain"),
        "careful": toy("careful", needs_old=True, defaults={"fit.epochs": 7, "method.pull.focus": 2.0}),
    }


@pytest.fixture
def predictions():
    """Five images in three classes, the last one unlabelled; three of four right."""
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]] * 4
    return Predictions(
        sample_id=np.array(list("abcde")),
        label=np.array([0, 1, 2, 1, -1]),
        prediction=logits.argmax(1),
        logits=logits,
        classes=("x", "y", "z"),
    )


@pytest.fixture
def calls(monkeypatch):
    """Replace functions by a recorder: ``calls.replace(module, name, result)``; ``calls[name]`` has the arguments."""

    class Calls(dict):
        def replace(self, module, name, result):
            def record(*positional, **named):
                self[name] = (positional, named)
                return result(*positional, **named) if callable(result) else result

            monkeypatch.setattr(module, name, record, raising=False)

    return Calls()


CLASSES = ("a", "b", "c")


def _tree(root, classes=CLASSES, splits=("train", "val", "test"), count=6):
    from PIL import Image

    rng = np.random.default_rng(0)
    for split in splits:
        for number, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                pixels = rng.integers(0, 60, (8, 8, 3), dtype=np.uint8)
                pixels[..., number % 3] += 150
                Image.fromarray(pixels).save(folder / f"{index}.png")


class Code:
    """Unpickling this would make a file."""

    def __reduce__(self):
        return os.system, ("touch was_run",)


def _rows(*lines, head="sample_id,label,prediction"):
    return "\n".join([head, *lines]) + "\n"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A folder of good and bad things; ``v1`` is a trained run."""
    root = tmp_path_factory.mktemp("shelf")
    before = Path.cwd()
    os.chdir(root)
    try:
        _tree(Path("good"))
        assert (
            main(
                [
                    "train",
                    "finetune",
                    "--data",
                    "folder:good",
                    "--out",
                    "v1",
                    "--model",
                    "convnet",
                    "--quiet",
                    "--device",
                    "cpu",
                    "--epochs",
                    "3",
                ]
            )
            == 0
        )
        _folders()
        _models()
        _files()
    finally:
        os.chdir(before)
    return root


def _folders():
    _tree(Path("one"), classes=("a",))
    Path("empty").mkdir()
    for name in "ab":
        Path(f"hollow/train/{name}").mkdir(parents=True)
    _tree(Path("differ"), splits=("train",))
    _tree(Path("differ"), classes=("a", "b", "d"), splits=("val",))


def _models():
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file("v1/weights.safetensors")
    changes = {
        "partial": {key: value for key, value in weights.items() if key != "head.weight"},
        "wider": {key: torch.cat([value, value]) if value.dim() else value for key, value in weights.items()},
        "chance": {key: value * 0 for key, value in weights.items()},
        "diverged": {key: value * float("nan") if value.dim() else value for key, value in weights.items()},
    }
    for name, state in changes.items():
        shutil.copytree("v1", name)
        save_file(state, f"{name}/weights.safetensors")
    for name in ("cut", "listed"):
        shutil.copytree("v1", name)
    Path("cut/weights.safetensors").write_bytes(Path("v1/weights.safetensors").read_bytes()[:500])
    Path("listed/model.json").write_text("[]")
    for name in ("evil.pt", "evil.result", "evil.pth.tar"):
        torch.save({"state_dict": Code()}, name)
    Path("bare.pth").write_bytes(pickle.dumps(Code()))
    torch.save({"some.weight": torch.ones(2)}, "odd.pt")
    Path("broken.pt").write_bytes(b"PK\x03\x04 not a zip")


def _files():
    Path("text.parquet").write_text("hello, I am text")
    Path("list.yaml").write_text("- 1\n- 2\n")
    Path("a_file").write_text("x")
    right = [f"s{i},{i % 3},{i % 3}" for i in range(9)]
    Path("right.csv").write_text(_rows(*right))
    Path("relabelled.csv").write_text(_rows(*(f"s{i},{(i + 1) % 3},{i % 3}" for i in range(9))))
    Path("others.csv").write_text(_rows(*(line.replace("s", "t") for line in right)))
    Path("short.csv").write_text(_rows(*right[:7]))
    Path("twice.csv").write_text(_rows(*right, right[4]))
    Path("none.csv").write_text(_rows())
    Path("torn.csv").write_text(_rows("s0,0"))
    Path("columns.csv").write_text(_rows("1,2", head="file,kind"))
    head = "sample_id,label,prediction,logit_0,logit_1"
    Path("infinite.csv").write_text(_rows("s0,0,0,inf,1", "s1,0,0,2,1", head=head))
    Path("improper.csv").write_text(_rows("s0,0,0,2.5,1", head=head.replace("logit", "prob")))
    Path("two.txt").write_text("x\ny\n")
    Path("same.txt").write_text("x\nx\nz\n")
    Path("headed.txt").write_text("path,label\n")
    Path("gone.txt").write_text("".join(f"good/train/{name}/{i}.jpg {name}\n" for name in CLASSES for i in range(6)))


@pytest.fixture
def refused(capsys):
    """Return a function that runs a command which must fail, and gives back its one sentence."""

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stopped:
            code = stopped.code
        said = capsys.readouterr().err
        assert code == 2, said
        last = said.strip().splitlines()[-1]
        assert last.startswith(f"modelheir {words[0]}: ")
        assert last.endswith((".", "?", ")"))
        assert "Traceback" not in said
        return last

    return run


@pytest.fixture
def here(shelf, monkeypatch):
    monkeypatch.chdir(shelf)
    monkeypatch.delenv("MODELHEIR_TRACEBACK", raising=False)
    return shelf
