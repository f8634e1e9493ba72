"""Time of a grid of settings against a loop written the plain way, measured in one run.

``python benchmarks/seq_grid.py [--nets convnet4 digits] [--epochs 2] [--runners auto] [--device cpu]`` trains eight
settings (two rates, two penalties, two rates of dropout) of one network on the same images with

- ``plain``: one setting after another, each with a ``DataLoader`` over a ``TensorDataset``, float32, the penalty as a
  term of the loss, torch's Adam, and after every epoch four passes: loss and accuracy, on training and selection split;
- ``ours``: a stage that is a grid, run as the engine chooses, and as each of ``--runners`` says.

It prints the seconds of each (ours with the choice of a runner), their ratio, the same of the processors' seconds
(where other programs are at work, this one tells more), and the best accuracy of both on the selection split.
``convnet4`` is a stem and four convolutions of 64 to 512 channels on 4,000 images of 32x32 (3,200 to train, batch 100;
the target on two cores is a ratio of at least 3), and ``digits`` three convolutions of 32 to 128 channels on the digits
of 8x8 (at least 5). No member stops early, so both do the same epochs. ``--plain_settings`` trains fewer settings the
plain way and scales their time, which is the same for each; the output says so. ``--threads`` are the plain loop's, and
those that ours begins with.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.data import make_stream, open_splits
from modelheir.engine.progress import SilentProgress
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.methods.given.squares import penalise_squares
from modelheir.plans import Grid, Stage, Task
from modelheir.runs.folder import RunFolder
from modelheir.runs.trackers import Trackers
from modelheir.types import LossTerms, Outputs

TARGETS, BATCH = {"convnet4": 3.0, "digits": 5.0}, 100
SETTINGS = [
    {"lr": lr, "penalty": penalty, "dropout": dropout}
    for lr, penalty, dropout in itertools.product((1e-3, 1e-4), (1e-4, 1e-2), (0.0, 0.5))
]


class Net(nn.Module):
    """Convolutions with batch norms, dropout after each; the same first weights whatever the dropout is."""

    def __init__(self, net: str, dropout: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        if net == "convnet4":
            layers += [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
            layers += [nn.MaxPool2d(3, stride=2, padding=1), nn.Dropout(dropout)]
            for inner, outer, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
                conv = nn.Conv2d(inner, outer, 3, stride=stride, padding=1, bias=False)
                layers += [conv, nn.BatchNorm2d(outer), nn.Dropout(dropout)]
        else:
            for inner, outer in ((3, 32), (32, 64), (64, 128)):
                layers += [] if inner == 3 else [nn.MaxPool2d(2)]
                conv = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
                layers += [conv, nn.BatchNorm2d(outer), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(512 if net == "convnet4" else 128, 10)

    def forward(self, images: Tensor) -> Outputs:
        """Return logits ``(N, 10)`` and features of images ``(N, 3, S, S)`` in 0..1."""
        features = self.layers(images).mean(dim=(2, 3))
        return Outputs(self.head(features), features)


def train_plain(net: str, setting: dict[str, float], data: dict[str, TensorDataset], epochs: int, device: str) -> float:
    """Train one setting the plain way and return its best accuracy on the selection split."""
    model = Net(net, setting["dropout"]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=setting["lr"])
    train = DataLoader(data["train"], batch_size=BATCH, shuffle=True)
    tests = {name: DataLoader(one, batch_size=BATCH) for name, one in data.items()}
    pulled = [p for one in model.modules() if isinstance(one, nn.Conv2d | nn.Linear) for p in one.parameters()]

    def evaluate() -> float:
        model.eval()
        values = []
        with torch.no_grad():
            for loader in tests.values():
                total = 0.0
                for x, y in loader:
                    total += cross_entropy(model(x.to(device)).logits, y.to(device), reduction="sum").item()
                right = 0
                for x, y in loader:
                    right += int((model(x.to(device)).logits.argmax(1) == y.to(device)).sum())
                values += [total / len(loader.dataset), right / len(loader.dataset)]  # pyright: ignore
        model.train()
        return values[-1]

    best, kept = evaluate(), {key: value.clone() for key, value in model.state_dict().items()}
    for _ in range(epochs):
        for x, y in train:
            loss = cross_entropy(model(x.to(device)).logits, y.to(device))
            for parameter in pulled:
                loss = loss + setting["penalty"] * parameter.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if (value := evaluate()) > best:
            best, kept = value, {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return best


class Ours:
    """The grid of one network."""

    def __init__(self, net: str, splits: Any, inputs: InputConfig, epochs: int, runtime: Runtime) -> None:
        self.net, self.splits, self.inputs, self.runtime = net, splits, inputs, runtime
        self.fit = FitConfig(
            epochs=epochs, batch_size=BATCH, optimizer="adam", schedule="constant", weight_decay=0.0, keep="best",
            keep_start=True,
        )  # fmt: skip
        self.stores: dict[Any, Any] = {}

    def make_task(self, setting: Any) -> Task:
        """Return the problem of one setting."""
        model = Net(self.net, setting["dropout"])

        def objective(batches: Any, step: Any) -> LossTerms:
            batch = batches["train"]
            return LossTerms({"task": cross_entropy(model(batch.inputs).logits, batch.labels)})

        told = {"config": self.inputs, "seed": 0, "device": self.runtime.device, "stores": self.stores}
        train = make_stream(self.splits["train"], batch_size=BATCH, train=True, drop_last=False, **told)
        val = make_stream(self.splits["val"], batch_size=1000, train=False, **told)
        groups, fit = penalise_squares(setting["penalty"]), dataclasses.replace(self.fit, lr=setting["lr"])
        return Task(
            {"model": model}, {"train": train}, objective, evaluate={"val": val}, fit=fit, parameter_groups=groups
        )

    def train(self, runner: str) -> tuple[float, dict[str, Any]]:
        """Train the grid; return the seconds and what the stage's result says of it."""
        grid = Grid(SETTINGS, self.make_task, share=True, runner=runner)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as place:
            done = run_plan(
                [Stage("grid", lambda done: grid)], RunFolder(Path(place)), runtime=self.runtime, fit_config=self.fit,
                seed=0, log=Trackers(), progress=SilentProgress(),
            )  # fmt: skip
            return time.perf_counter() - began, dict(done["grid"].describe["grid"])


def measure(net: str, given: argparse.Namespace) -> None:
    """Train each way and print what it took."""
    size = 32 if net == "convnet4" else 8
    inputs = InputConfig(image_size=size, augment="none", loader="resident", val_fraction=0.2, test_fraction=0.001)
    splits = open_splits(f"synthetic:n={given.images},classes=10,size=32" if net == "convnet4" else "digits", inputs)
    data = {}
    for name in ("train", "val"):
        whole = make_stream(
            splits[name], config=inputs, batch_size=len(splits[name]), train=False, seed=0, device="cpu"
        )
        data[name] = TensorDataset(next(iter(whole.epoch(0))).inputs, torch.from_numpy(splits[name].labels))
    some = SETTINGS[:: max(1, len(SETTINGS) // given.plain_settings)]
    began, busy = time.perf_counter(), processors()
    best = max(train_plain(net, setting, data, given.epochs, given.device) for setting in some)
    whole = len(SETTINGS) / len(some)
    plain, work = whole * (time.perf_counter() - began), whole * (processors() - busy)
    scaled = "" if len(some) == len(SETTINGS) else f" ({len(some)} trained, scaled)"
    print(
        f"{net}: {len(data['train'])} images to train, {len(SETTINGS)} settings, {given.epochs} epochs, "
        f"{given.device}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{net}: plain {plain:.1f} s, {work:.1f} of processors{scaled}, best accuracy {best:.4f}", flush=True)
    ours = Ours(net, splits, inputs, given.epochs, Runtime(given.device))
    for runner in given.runners:
        busy = processors()
        seconds, table = ours.train(runner)
        busy = processors() - busy
        value = max(row["selection"] for row in table["members"])
        times = "".join(f", {name} {took} ms" for name, took in table["milliseconds"].items())
        verdict = "met" if plain / seconds >= TARGETS[net] else "missed"
        print(
            f"{net}: ours, {runner} ({table['runner']}{times}) {seconds:.1f} s, {busy:.1f} of processors, "
            f"best accuracy {value:.4f}: ratio {plain / seconds:.2f}, of processors {work / busy:.2f} "
            f"(target of the first >= {TARGETS[net]:.0f} on two cores): {verdict}",
            flush=True,
        )


def processors() -> float:
    """Return the seconds that processors have worked for this process and those that it has ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=sorted(TARGETS), default=["convnet4", "digits"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--images", type=int, default=4000, help="of convnet4, both splits")
    parser.add_argument("--runners", nargs="+", default=["auto"])
    parser.add_argument("--plain_settings", type=int, default=len(SETTINGS), help="trained the plain way")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first one imports much, which is nobody's time
    for net in given.nets:
        measure(net, given)


if __name__ == "__main__":
    main()
