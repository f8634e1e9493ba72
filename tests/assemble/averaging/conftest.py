"""Real runs on noisy images, on which no model is always right: one with snapshots, and two fine-tunes of it."""

from pathlib import Path

import pytest

import modelheir

DATA = "synthetic:n=300,classes=3,size=8,noise=160"


class Runs:
    """Trained run folders by name, and where more can be written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.start = self.train("start", snapshots={"every_epochs": 1}, epochs=4)
        self.a = self.train("a", start=self.start, seed=1, epochs=1)
        self.b = self.train("b", start=self.start, seed=2, epochs=1)

    def train(self, name, *, start="", epochs, seed=0, model="convnet", snapshots=None, **settings):
        place = modelheir.train(
            "finetune",
            data=DATA,
            out=str(self.root / name),
            model="" if start else model,
            seed=seed,
            device="cpu",
            quiet=True,
            fit={"epochs": epochs, "batch_size": 16, "lr": 0.01, **({"snapshots": snapshots} if snapshots else {})},
            **({"method": {"start": start}} if start else {}),
            **settings,
        )
        return f"run:{place}"


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def average(kept, tmp_path):
    """Average the two fine-tunes, or what is given, into a new folder."""

    def run(*models, out="out", **settings):
        chosen = () if "snapshots" in settings else models or (kept.a, kept.b)
        return modelheir.average(chosen, out=str(tmp_path / out), device="cpu", quiet=True, **settings)

    return run
