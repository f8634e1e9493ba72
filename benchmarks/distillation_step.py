"""Time of a distillation step against the student's own step and the teacher's forward pass, measured in one run.

``python benchmarks/distillation_step.py [--method distill] [--student resnet8] [--teacher resnet8] [--size 32]
[--batch 64] [--rounds 30] [--device cpu]`` prints the median time of each step, and ratios with their targets:

- a step with a live teacher, over the plain step and the teacher's forward pass together: at most 1.05;
- a step with stored teacher outputs, over the plain step: at most 1.05;
- a step with the stored mean of eight teachers, over that with one: at most 1.05;
- the same two for a teacher cache of four augmented views, held on the device (``modelheir cache write``);
- a step with such a cache read from its mapped files, as one too large to hold is, over the plain step: at most 1.05.

Every step is the engine's own, with the task of ``train distill`` (KD without labels) or of ``train upgrade`` (focal
distillation) at its defaults; the plain one learns from labels alone. All see the same augmented views. The steps take
turns within a round, starting with another one each time, so that a slow moment of the machine meets all of them; a
ratio is the median over the rounds of the ratios within a round.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from modelheir.assemble import CacheConfig, write_cache
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.data import open_splits, resolve
from modelheir.engine.fit import Fit
from modelheir.engine.progress import SilentProgress
from modelheir.inference.runtime import Runtime
from modelheir.methods.distill import distill
from modelheir.methods.distill.taught import taught_task
from modelheir.methods.given import Data, Given, NewModel, Teachers
from modelheir.methods.upgrade import upgrade
from modelheir.models import Ensemble, StoredOutputs, build
from modelheir.plans import Task
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights
from modelheir.runs.trackers import Trackers
from modelheir.types import Batch

TARGET, WARM_UP, VIEWS = 1.05, 4, 4
INPUTS = InputConfig(
    augment="crop", mirror=False, augment_seed=0, loader="resident", val_fraction=0.1, test_fraction=0.1
)


@dataclasses.dataclass(frozen=True)
class _Held:
    """Stands for the models that a run was given: one that is there already."""

    module: Any
    data: Any = None
    policy: Any = None
    weights: Any = ()
    addresses: tuple[str, ...] = ("held",)

    def teacher(self, stream: Any) -> Any:
        """Return it."""
        return self.module


def make_given(options: argparse.Namespace, runtime: Runtime) -> Given:
    """Return what a method is handed: synthetic images of ten classes in a few views, kept on the device."""
    size, batch = options.size, options.batch
    splits = open_splits(source(options), INPUTS)
    inputs = resolve(INPUTS, splits["train"])
    data = Data(splits, inputs, batch, 0, runtime, view_cycle=VIEWS)
    model = NewModel(options.student, options.student, NetworkConfig(), data.classes, size, 0)
    fit = FitConfig(epochs=1, batch_size=batch, optimizer="sgd", lr=0.01)
    return Given(data=data, model=model, old=Teachers((), data), fit=fit)


def source(options: argparse.Namespace) -> str:
    """Return the address of the data."""
    return f"synthetic:n={5 * options.batch},classes=10,size={options.size}"


def make_teachers(options: argparse.Namespace, given: Given, place: Path) -> Mapping[str, torch.nn.Module]:
    """Return one live teacher, its outputs of the centre and the mean of eight, and caches of views of both."""
    data = given.data

    def teacher(count: int) -> Ensemble:
        members = [
            build(options.teacher, classes=data.classes, image_size=options.size, seed=100 + i) for i in range(count)
        ]
        return Ensemble(members).to(data.runtime.device)

    def stored(live: Ensemble) -> torch.nn.Module:
        order = data.stream(train=False)
        return StoredOutputs.from_predictions(given.old.predict(live, order), order.ids)

    def cached(count: int, *, held: bool = True) -> torch.nn.Module:
        names = []
        for i in range(count):
            model = build(options.teacher, classes=data.classes, image_size=options.size, seed=100 + i)
            folder = RunFolder(place / f"teacher_{i}")
            write_json(folder.model, model.spec)
            save_weights(folder.weights, model.state_dict())
            names.append(f"run:{folder.path}")
        settings = CacheConfig(
            teacher=tuple(names), data=source(options), out=str(place / f"cache_{count}"), views=VIEWS, inputs=INPUTS,
            device=options.device, batch_size=options.batch, allow_weak_teacher=True, quiet=True,
        )  # fmt: skip
        inputs = dataclasses.replace(data.inputs, resident_gib=4.0 if held else 0.0)
        seen = dataclasses.replace(data, inputs=inputs)
        return Teachers((f"cache:{write_cache(settings)}",), seen).teacher(data.stream()).to(data.runtime.device)

    one = teacher(1)
    return {
        "live": one,
        "stored": stored(one),
        "stored eight": stored(teacher(8)),
        "cache": cached(1),
        "cache of eight": cached(8),
        "mapped cache": cached(1, held=False),
    }


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that ``run`` takes, the device's work included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=("distill", "upgrade"), default="distill")
    parser.add_argument("--student", default="resnet8")
    parser.add_argument("--teacher", default="resnet8")
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    runtime = Runtime(options.device)
    given = make_given(options, runtime)
    plain = dataclasses.replace(upgrade.Config(), pull=upgrade.Pull(weight=0.0))

    with tempfile.TemporaryDirectory() as place:
        teachers = make_teachers(options, given, Path(place) / "teachers")

        def step(name: str, task: Task) -> Callable[[Batch], None]:
            folder = RunFolder(Path(place)).stage(0, name)
            loop = Fit(task, folder, runtime, given.fit, 0, Trackers(), SilentProgress())
            for module in task.modules.values():
                module.train()
            return lambda batch: loop._one(0, {"train": batch})

        def task(teacher: Any) -> Task:
            if options.method == "distill":
                held: Any = _Held(teacher)
                known = dataclasses.replace(given, models={"teacher": held})
                return taught_task(distill.Config(), known, given.model.build(), None)
            return upgrade.distilled_task(upgrade.Config(), given, given.model.build(), teacher, given.data.stream())

        bare = upgrade.distilled_task(plain, given, given.model.build(), teachers["live"], given.data.stream())
        runs: dict[str, Callable[[Batch], object]] = {"plain": step("plain", bare)}
        for name, teacher in teachers.items():
            runs[name] = step(name, task(teacher))
        runs["teacher"] = torch.no_grad()(lambda batch: teachers["live"](batch))

        stream, names, rows = given.data.stream(), list(runs), []
        for number in range(options.rounds + WARM_UP):
            batch = next(iter(stream.epoch(number)))
            turn = number % len(names)
            rows.append(
                {
                    name: timed(lambda run=runs[name], batch=batch: run(batch), runtime.device)
                    for name in names[turn:] + names[:turn]
                }
            )
    rows = rows[WARM_UP:]
    medians = ", ".join(f"{name} {1000 * statistics.median(row[name] for row in rows):.2f}" for name in names)
    print(f"milliseconds a step on {runtime.device}, {torch.get_num_threads()} threads: {medians}")
    for name, ratio in {
        "live teacher against plain step and teacher": [row["live"] / (row["plain"] + row["teacher"]) for row in rows],
        "stored teacher against plain step": [row["stored"] / row["plain"] for row in rows],
        "eight stored teachers against one": [row["stored eight"] / row["stored"] for row in rows],
        "cache of views against plain step": [row["cache"] / row["plain"] for row in rows],
        "cache of eight teachers against one": [row["cache of eight"] / row["cache"] for row in rows],
        "mapped cache against plain step": [row["mapped cache"] / row["plain"] for row in rows],
    }.items():
        value = statistics.median(ratio)
        print(f"{name}: ratio {value:.3f} (target <= {TARGET}): {'met' if value <= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
