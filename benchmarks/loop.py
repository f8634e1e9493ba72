"""Time of the training loop against two loops written by hand, measured in one run.

``python benchmarks/loop.py [--nets digits convnet4] [--batches 20] [--rounds 15] [--threads 1] [--device cpu]`` trains
the same network on the same images in turn with

- ``ours``: the engine, with the task of ``train finetune`` at its defaults;
- ``lean``: a loop over tensors on the device, and nothing else: no log, no checks, no resume points;
- ``lean, same means``: that loop with the engine's means of speed as well (fused optimiser, memory layout, taps);
- ``textbook``: a ``DataLoader`` over a ``TensorDataset``, with the loss and the accuracy read in every step.

It prints the median milliseconds a step of each and, for each hand-written loop, the median over the rounds of the
ratios within a round, the target against ``lean`` being at most 1.05. A round is one epoch of each, starting with
another one each time, so that a slow moment of the machine meets all of them. ``digits`` is the small network for 8x8
images (batch 64), ``convnet4`` a stem and four convolutions of 64 to 512 channels on 32x32 images (batch 100).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.data import make_stream, open_splits
from modelheir.engine.fit import Fit
from modelheir.engine.progress import SilentProgress
from modelheir.engine.speed.layout import arrange
from modelheir.inference.runtime import Runtime
from modelheir.models import build
from modelheir.objective.supervised import SupervisedConfig, make_supervised
from modelheir.plans import Task
from modelheir.runs.folder import RunFolder
from modelheir.runs.trackers import Trackers
from modelheir.types import LossTerms

TARGET, WARM_UP = 1.05, 2
SIZES = {"digits": (8, 64), "convnet4": (32, 100)}  #: network -> pixels a side, batch


class ConvNet4(nn.Module):
    """A stem and four 3x3 convolutions with batch normalisation; the last one turns maps of 2x2 into 1x1."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        layers += [nn.MaxPool2d(3, stride=2, padding=1)]
        for inner, outer, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
            layers += [nn.Conv2d(inner, outer, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outer)]
        self.layers = nn.Sequential(*layers)
        self.feature_size = 512

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features ``(N, 512)`` of images ``(N, 3, 32, 32)``."""
        return self.layers(images).mean(dim=(2, 3))


def make_model(net: str, size: int) -> nn.Module:
    """Build the network; every call gives the same weights."""
    model = build("convnet", classes=[str(i) for i in range(10)], image_size=size, seed=0)
    if net == "convnet4":
        torch.manual_seed(0)
        model.body, model.head = ConvNet4(), nn.Linear(512, 10)
    return model


def measure(net: str, given: argparse.Namespace) -> None:
    """Train with each loop in turn and print what it took."""
    size, batch = SIZES[net]
    runtime = Runtime(given.device)
    inputs = InputConfig(image_size=size, augment="none", loader="resident", val_fraction=0.1, test_fraction=0.1)
    images = open_splits(f"synthetic:n={int(1.25 * given.batches * batch) + 20},classes=10,size={size}", inputs)[
        "train"
    ]
    fit = FitConfig(
        epochs=given.rounds + WARM_UP,
        batch_size=batch,
        optimizer="sgd",
        lr=0.01,
        weight_decay=5e-4,
        schedule="constant",
    )
    stream = make_stream(images, config=inputs, batch_size=batch, train=True, seed=0, device=runtime.device)
    labels = torch.from_numpy(images.labels).to(runtime.device)
    whole = make_stream(images, config=inputs, batch_size=len(images), train=False, seed=0, device="cpu")
    floats = next(iter(whole.epoch(0))).inputs
    store = (floats * 255).round().to(torch.uint8).to(runtime.device)
    steps = len(stream)

    def ours(place: str) -> Callable[[int], object]:
        model = make_model(net, size)
        supervised = make_supervised(SupervisedConfig())

        def objective(batches, step):
            return LossTerms(supervised(model(batches["train"].inputs), batches["train"], step))

        task = Task({"model": model}, {"train": stream}, objective)
        folder = RunFolder(Path(place)).stage(0, net)
        return Fit(task, folder, runtime, fit, 0, Trackers(), SilentProgress())._epoch

    def lean(*, means: bool) -> Callable[[int], object]:
        model = make_model(net, size).to(runtime.device).train()
        held = store
        if means:
            model, held = with_means(model, held)
        optimizer = torch.optim.SGD(
            model.parameters(), lr=fit.lr, momentum=fit.momentum, weight_decay=fit.weight_decay, fused=means or None
        )

        def epoch(number: int) -> None:
            for index in torch.randperm(len(held), device=runtime.device)[: steps * batch].split(batch):
                loss = cross_entropy(model(held[index].float().div_(255)).logits, labels[index])
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()

        return epoch

    def textbook() -> Callable[[int], object]:
        model = make_model(net, size).to(runtime.device).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=fit.lr, momentum=fit.momentum, weight_decay=fit.weight_decay)
        loader = DataLoader(TensorDataset(floats, labels.cpu()), batch_size=batch, shuffle=True, drop_last=True)

        def epoch(number: int) -> None:
            total, right = 0.0, 0
            for x, y in loader:
                x, y = x.to(runtime.device), y.to(runtime.device)
                optimizer.zero_grad()
                logits = model(x).logits
                loss = cross_entropy(logits, y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                right += int((logits.argmax(1) == y).sum())

        return epoch

    with tempfile.TemporaryDirectory() as place:
        runs = {
            "ours": ours(place),
            "lean": lean(means=False),
            "lean, same means": lean(means=True),
            "textbook": textbook(),
        }
        names, rows = list(runs), []
        for number in range(given.rounds + WARM_UP):
            turn = number % len(names)
            rows.append({name: timed(runs[name], number, runtime.device) for name in names[turn:] + names[:turn]})
    rows = rows[WARM_UP:]
    medians = ", ".join(f"{name} {1000 * statistics.median(row[name] for row in rows) / steps:.3f}" for name in names)
    print(f"{net}: milliseconds a step on {runtime.device}, {torch.get_num_threads()} threads: {medians}")
    for name in names[1:]:
        value = statistics.median(row["ours"] / row[name] for row in rows)
        verdict = f" (target <= {TARGET}): {'met' if value <= TARGET else 'missed'}" if name == "lean" else ""
        print(f"{net}: ours against {name}: ratio {value:.3f}{verdict}")


def with_means(model: nn.Module, store: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    """Give a model and its images the memory layout and the convolutions that the engine would."""
    arrange([model], store.device, "fp32")
    return model, store.contiguous(memory_format=torch.channels_last)


def timed(run: Callable[[int], object], number: int, device: torch.device) -> float:
    """Return the seconds that epoch ``number`` takes, the device's work included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run(number)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=sorted(SIZES), default=["digits", "convnet4"])
    parser.add_argument("--batches", type=int, default=20, help="steps an epoch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for net in given.nets:
        measure(net, given)


if __name__ == "__main__":
    main()
