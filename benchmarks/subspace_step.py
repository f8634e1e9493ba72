"""Time of a step in a plane of weights against a step of all weights, and what travels between processes in each.

``python benchmarks/subspace_step.py [--coordinates 32] [--batch 32] [--processes 2 4]`` trains a small residual network
on random images and takes the median over rounds of a step of

- ``sgd``: all weights;
- ``psgd``: the coordinates alone, by the same optimiser;
- ``pbfgs``: quasi-Newton steps on them, line search included; ``pbfgs same``: with pairs of one batch;
- ``pbfgs outside``: with a step outside the plane as well.

It prints seconds and ratios to ``sgd``, what a step costs by its passes alone (a forward pass is a third of a step of
``sgd``), and for each number of processes the bytes that one of them hands over in a step.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.config.fit import FitConfig
from modelheir.engine.step import EngineStep
from modelheir.inference.runtime import Runtime
from modelheir.models.adapters import add_basis
from modelheir.objective.subspace import QuasiNewton, QuasiNewtonConfig
from modelheir.types import Batch, LossTerms, Step

WAYS = ("sgd", "psgd", "pbfgs", "pbfgs same", "pbfgs outside")


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return images of the same shape."""
        return torch.relu(x + self.body(x))


def network(width: int, blocks: int) -> nn.Sequential:
    """Return a residual network of ten classes."""
    torch.manual_seed(0)
    parts = [Block(width) for _ in range(blocks)]
    stem = nn.Conv2d(3, width, 3, padding=1)
    return nn.Sequential(stem, *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def make(way: str, given: argparse.Namespace) -> tuple[Callable[[], object], list[float]]:
    """Return a step of one way, and where its passes are told."""
    model, passes = network(given.width, given.blocks).train(), list[float]()
    z = None
    if way != "sgd":
        rows = {name: torch.randn(given.coordinates, *one.shape) for name, one in model.named_parameters()}
        length = sum(one.square().flatten(1).sum(1) for one in rows.values()) ** 0.5
        z = add_basis(model, {name: one / length.view(-1, *[1] * (one.ndim - 1)) for name, one in rows.items()})
    images = torch.rand(given.batch, 3, given.size, given.size, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(given.batch) % 10
    batches = {"train": Batch(images, labels, torch.arange(given.batch), labelled=True)}

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        return LossTerms({"task": cross_entropy(model(batch.inputs), batch.labels)})

    settings = {"pbfgs same": {"pairs": "same"}, "pbfgs outside": {"alpha": 1e-3}}.get(way, {})
    update = None
    if z is not None and way.startswith("pbfgs"):
        update = QuasiNewton(model, z, objective, QuasiNewtonConfig(**settings))
    moved = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.SGD(moved, lr=1.0 if update else 1e-2, momentum=0.9)
    runtime = Runtime("cpu")
    step = EngineStep(runtime, FitConfig(), {"main": optimizer}, stage="train", seed=0, steps=10_000)

    def run() -> None:
        step.begin(0, 0)
        if update is None:
            step.backward(objective(batches, step).total)
            step.apply()
        else:
            update(batches, step)
            passes.append(float(step.observed()["quasi_newton/passes"]))

    return run, passes


def apart(rank: int, world: int, port: int, given: argparse.Namespace, told: multiprocessing.Queue) -> None:
    """Do some steps of each way as one of several processes, and tell the bytes that travelled in the last."""
    torch.set_num_threads(1)
    given.batch, given.size = 8, 8  # which no message depends on
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "1"}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    Runtime("cpu")
    sent, reduce = [0], dist.all_reduce

    def counted(tensor: torch.Tensor, *more: Any, **named: Any) -> object:
        sent[0] += tensor.numel() * tensor.element_size()
        return reduce(tensor, *more, **named)

    dist.all_reduce = counted
    found = {}
    for way in WAYS:
        run, _ = make(way, given)
        run()
        sent[0] = 0
        run()
        found[way] = sent[0]
    if rank == 0:
        told.put(found)


def travelled(world: int, given: argparse.Namespace) -> dict[str, int]:
    """Return the bytes that one of ``world`` processes hands over in a step, way by way."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    processes = [context.Process(target=apart, args=(rank, world, port, given, told)) for rank in range(world)]
    for one in processes:
        one.start()
    found = told.get(timeout=600)
    for one in processes:
        one.join()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coordinates", type=int, default=32)
    parser.add_argument("--width", type=int, default=32, help="channels")
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 4])
    given = parser.parse_args()
    ways = {way: make(way, given) for way in WAYS}
    took = {way: list[float]() for way in WAYS}
    for run, _ in ways.values():
        run()
    for _ in range(given.rounds):  # in turn, so that what else the machine does meets all alike
        for way, (run, _) in ways.items():
            began = time.perf_counter()
            run()
            took[way].append(time.perf_counter() - began)
    weights = sum(one.numel() for one in network(given.width, given.blocks).parameters())
    print(f"{weights} weights, {given.coordinates} coordinates, batch {given.batch}")
    plain = statistics.median(took["sgd"])
    for way, (_, passes) in ways.items():
        seconds = statistics.median(took[way])
        cost = f", of which passes {statistics.mean(passes[1:]):.2f}" if passes else ""
        print(f"{way}: {1000 * seconds:.1f} ms a step, ratio {seconds / plain:.2f}{cost}")
    for world in given.processes:
        for way, count in travelled(world, given).items():
            print(f"{world} processes, {way}: {count} bytes a step")


if __name__ == "__main__":
    main()
