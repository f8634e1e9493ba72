"""Runs in this process: short, and interrupted on request."""

import contextlib
import dataclasses

import pytest

from modelheir.assemble import train
from modelheir.config.fit import FitConfig
from modelheir.config.run import TrainConfig
from modelheir.engine import progress


class Impatient(progress.SilentProgress):
    """Interrupts the run in its third step."""

    steps = 0

    def advance(self, images):
        self.steps += 1
        if self.steps == 3:
            raise KeyboardInterrupt


@pytest.fixture
def train_interrupted(monkeypatch):
    """Train like ``train``, interrupted in the third step."""

    def run(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(progress, "make_progress", lambda **_: contextlib.nullcontext(Impatient()))
            with pytest.raises(KeyboardInterrupt):
                train(*arguments)

    return run


@pytest.fixture
def quick(tmp_path):
    """Settings of a run of a second into ``tmp_path / "run"``, changed by keywords; ``fit`` holds its own."""

    def settings(fit=None, **changes):
        usual = {
            "data": "synthetic:n=120,classes=3,size=8",
            "model": "mlp",
            "out": str(tmp_path / "run"),
            "device": "cpu",
            "quiet": True,
            "fit": FitConfig(**{"epochs": 2, "batch_size": 16, "save_every_steps": 1, **(fit or {})}),
        }
        return dataclasses.replace(TrainConfig(), **{**usual, **changes})

    return settings
