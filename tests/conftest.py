"""Draws, copies of this process, and a tiny real world for the methods: 96 images, a small net, engine and folder."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from modelheir import inference, models, runs
from modelheir.assemble.declared import declared_models, declared_sources, open_sources
from modelheir.assemble.handing import further
from modelheir.config.fit import FitConfig, SnapshotConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.config.run import TrainConfig
from modelheir.data import open_splits
from modelheir.methods import METHODS
from modelheir.methods.given import Data, Given, NewModel, Teachers
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

DATA = "synthetic:n=96,classes=3,size=8"
POOL = "synthetic:n=40,classes=3,size=8,seed=9"
FIT = FitConfig(epochs=2, batch_size=16, optimizer="sgd", lr=0.05, schedule="cosine")


class Rows(list):
    """A log in memory."""

    write = list.append

    def rewind(self, stage, epoch):
        self[:] = [row for row in self if row["stage"] != stage or row["epoch"] < epoch]


class Quiet:
    """Progress that can stop the run after some steps."""

    def __init__(self, stop_after=None):
        self.left = stop_after

    def stage(self, name, steps, done=0):
        pass

    def close(self):
        pass

    def epoch(self, row):
        pass

    def note(self, text):
        pass

    def advance(self, images):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


class World:
    """What a plan is handed, a trained old model on disk, and a way to run a method."""

    def __init__(self, tmp_path):
        self.tmp_path, self.runtime, self.fit = tmp_path, inference.Runtime("cpu"), FIT
        self.old = self.save_model("old", seed=5)

    def save_model(self, name, *, seed=5, model="mlp", classes=None, **network):
        """Write an untrained run folder that ``run:`` reads, and return its spec."""
        splits = open_splits(DATA, InputConfig())
        made = models.build(
            model,
            classes=classes or splits["train"].classes,
            image_size=8,
            config=NetworkConfig(**network),
            seed=seed,
        )
        folder = RunFolder(self.tmp_path / name)
        write_json(folder.model, made.spec)
        runs.save_weights(folder.weights, made.state_dict())
        return f"run:{folder.path}"

    def given(self, *, inputs=None, fit=None, old=None, weights=(), splits=None, rule="by-name", seed=1, **network):
        """Return what a plan is handed, over the synthetic data."""
        fit, inputs = fit or self.fit, inputs or InputConfig(mirror=True)
        data = Data(splits or open_splits(DATA, inputs), inputs, fit.batch_size, seed, self.runtime)
        model, trainable = network.pop("model", "mlp"), network.pop("trainable", "all")
        new = NewModel(model, model, NetworkConfig(**network), data.classes, data.image_size, seed, trainable)
        addresses = (self.old,) if old is None else tuple(old)
        old = Teachers(addresses, data, weights=tuple(weights), class_rule=rule)
        return Given(data=data, model=new, old=old, fit=fit)

    def changed(self, given, *, splits=None, old=None, weights=None, runtime=None, seed=None, init_seed=None):
        """Return the same with other splits, old models, processes or seeds."""
        changes = {"splits": splits, "runtime": runtime, "seed": seed}
        data = dataclasses.replace(given.data, **{key: value for key, value in changes.items() if value is not None})
        model = given.model if init_seed is None else dataclasses.replace(given.model, seed=init_seed)
        teachers = dataclasses.replace(
            given.old,
            data=data,
            addresses=given.old.addresses if old is None else tuple(old),
            weights=given.old.weights if weights is None else tuple(weights),
        )
        return dataclasses.replace(given, data=data, model=model, old=teachers)

    def config(self, name, **settings):
        """Return a method's config with some fields replaced; ``a__b`` reaches into groups."""
        config = METHODS[name].config()
        for key, value in settings.items():
            config = _replaced(config, key.split("__"), value)
        return config

    def opened(self, name, config, given=None):
        """Return what a plan is handed, with the models that the method's settings name."""
        given = given or self.given()
        found = declared_models(METHODS[name], config)
        run = TrainConfig(data=DATA, inputs=given.data.inputs)
        opened = open_sources(declared_sources(METHODS[name], config), run, given.data.classes)
        return dataclasses.replace(
            given,
            models={key: further(key, use, given.old) for key, use in found.items()},
            sources={key: dataclasses.replace(given.data, splits=own, stores={}) for key, own in opened.items()},
        )

    @staticmethod
    def fitted(name, given):
        """Return what a plan is handed, with snapshots where the method keeps them by itself."""
        if "fit.snapshots.every_epochs" not in METHODS[name].defaults or given.fit.snapshots.on:
            return given
        return dataclasses.replace(given, fit=dataclasses.replace(given.fit, snapshots=SnapshotConfig(every_epochs=1)))

    def plan(self, name, given=None, **settings):
        """Return a method's stages."""
        given = self.fitted(name, given or self.given())
        run = TrainConfig(fit=given.fit, inputs=given.data.inputs, old=given.old.addresses)
        config = METHODS[name].settle(self.config(name, **settings), run)
        METHODS[name].accept(config, run)
        return METHODS[name].plan(config, self.opened(name, config, given))

    def small(self, name):
        """Return the settings with which a method runs in few steps."""
        settings = {
            "elodi": {"members": 2},
            "interpolate": {"alphas": (0.0, 0.5)},
            "self_distill": {"length": 1},
            "distill": {"teacher": (self.old,), "unlabelled": POOL, "target__epochs": 1},
            "mutual": {"peers": ("mlp",), "unlabelled": POOL},
            "pseudo_label": {"unlabelled": POOL, "threshold": 0.38},
            "fixmatch": {"unlabelled": POOL, "ratio": 1, "threshold": 0.5},
            "adapt": {"history": (POOL,), "strategies": ("erm_fine_tune", "wise_ft"), "seeds": 1, "rates": (1.0,)},
            "cotrain": {
                "views": ("pixels:left", "pixels:right"),
                "labels": "5 per class",
                "algorithms": ("supervised", "cotrain", "mct"),
                "seeds": 1,
                "rounds__number": 1,
            },
            "subspace": {
                "ways": ("cut", "swa", "psgd", "pbfgs"),
                "snapshots": ":",
                "epochs": 1,
                "components": 2,
                "pbfgs__alpha": 0.01,
            },
        }
        return settings.get(name, {})

    def run(self, name, folder, *, given=None, stop_after=None, log=None, **settings):
        """Train a method for real and return its stages' results."""
        from modelheir.engine.stages import run_plan

        given = self.fitted(name, given or self.given())
        return run_plan(
            self.plan(name, given, **settings),
            RunFolder(self.tmp_path / folder),
            runtime=self.runtime,
            fit_config=given.fit,
            seed=1,
            log=Rows() if log is None else log,
            progress=Quiet(stop_after),
        )


class Copies:
    """Copies of this process (fork), which have torch already: each new process would import it for seconds.

    They are processes as any other, with their own exit code and output; what has to be new is started as new where
    that is tested. Where torch knows an accelerator a process cannot be copied, and new ones are started all the same.
    """

    seconds = 250

    def program(self, text, *argv, world=1, env=None, cwd=None, new=False):
        """Run a program, on ``world`` processes of one gloo group; return code, stdout and stderr of all together.

        ``new`` processes are for programs that are about the process itself, such as how it ends.
        """
        argv = ["worker.py", *map(str, argv)]

        def work():
            if cwd is not None:
                os.chdir(cwd)
            sys.argv = argv
            sys.modules.pop("conftest", None)  # that of another folder, perhaps
            exec(compile(text, argv[0], "exec"), {"__name__": "__main__"})

        if not new and self.possible():
            for node in ast.parse(text).body:  # here, for all copies at once
                if isinstance(node, ast.Import | ast.ImportFrom):
                    with contextlib.suppress(ImportError):
                        exec(compile(ast.Module([node], []), argv[0], "exec"), {})
            return self.run(work, world=world, env=env)
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(text)
            file.flush()
            return self._launched([file.name, *argv[1:]], world, env, cwd)

    def command(self, *words, world=1, env=None):
        """Run a command of modelheir."""
        words = [str(word) for word in words]

        def work():
            from modelheir.cli import main

            sys.exit(main(words))

        if self.possible():
            return self.run(work, world=world, env=env)
        return self._launched(["-m", "modelheir.cli", *words], world, env)

    def part(self, work, *arguments, world=2):
        """Run ``work(rank, *arguments)``, which meets the others by itself, on ``world`` processes; all must end well.

        Where no copy can be made, ``work`` is a function of a module.
        """
        if not self.possible():
            import torch

            torch.multiprocessing.spawn(work, arguments, nprocs=world)  # pyright: ignore
            return
        done = self.run(*(lambda rank=rank: work(rank, *arguments) for rank in range(world)))
        assert done.returncode == 0, done.stderr

    @staticmethod
    def possible():
        import torch

        return hasattr(os, "fork") and not torch.accelerator.is_available()

    def run(self, *works, world=1, env=None):
        """Run one work on the processes of a group, or several works on a process each; one that fails ends all."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
            free.close()
            named = [(work, dict(env or {})) for work in works]
            if world > 1:
                meet |= {"WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)}
                named = [
                    (works[0], {**(env or {}), **meet, "RANK": str(rank), "LOCAL_RANK": str(rank)})
                    for rank in range(world)
                ]
            copies = [self.start(work, own, out, err) for work, own in named]
            stop = time.monotonic() + self.seconds
            while any(one.is_alive() for one in copies):
                if any(one.exitcode for one in copies) or time.monotonic() > stop:
                    for one in copies:
                        one.kill()
                time.sleep(0.005)
            codes = [one.exitcode for one in copies]
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess((), next(filter(None, codes), 0), out.read(), err.read())

    def start(self, work, env, out, err):
        """Start one copy, which writes into two open files."""
        import torch._dynamo  # noqa: F401 - the first step of an optimiser would import it, in each copy anew

        process = multiprocessing.get_context("fork").Process(target=_live, args=(work, env, out, err))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads that a copy lacks: it uses none
            process.start()
        return process

    def _launched(self, words, world, env, cwd=None):
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"] if world > 1 else []
        env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **(env or {})}
        words = [sys.executable, *launch, *words]
        return subprocess.run(
            words, env=env, cwd=cwd, timeout=self.seconds, capture_output=True, text=True, check=False
        )


def _live(work, env, out, err):
    """Be a copy: as a new process would be, but for what is imported."""
    import torch
    from accelerate import PartialState

    for number, file in ((1, out), (2, err)):
        os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    logging.getLogger().handlers.clear()
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    os.environ.update({"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **env})
    PartialState._reset_state()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        work()
    finally:
        if torch.distributed.is_initialized():
            with contextlib.suppress(RuntimeError):
                torch.distributed.destroy_process_group()


@pytest.fixture(scope="session")
def copies():
    return Copies()


def _replaced(config, path, value):
    if len(path) > 1:
        value = _replaced(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: value})


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory):
    """One world for all tests of a file, so that they can share what they trained."""
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def rows():
    return Rows


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    """Return a function that draws standard normal tensors, the same in every run."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float = 1.0, dtype=torch.float32) -> Tensor:
        return (torch.randn(*shape, generator=generator) * scale).to(dtype)

    return normal


@pytest.fixture
def log_softmax() -> Callable[[np.ndarray], np.ndarray]:
    """Return NumPy's log-softmax of rows, in float64."""

    def rows(logits: np.ndarray) -> np.ndarray:
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    return rows
