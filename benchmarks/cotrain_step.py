"""Time of a step of co-training on stored vectors, against one that runs the encoders, and a process a view.

``python benchmarks/cotrain_step.py [--encoders pkg:efficientnet_lite0 pkg:efficientnet_lite2] [--size 112]`` takes the
median over rounds of

- ``stored``: a labelled step of two heads on vectors that were computed once;
- ``meta``: a step of Meta Co-Training on them, labelled and unlabelled vectors alike; ``no feedback`` the same without;
- ``encoding``: the labelled step where the encoders run on the batch's images first, as the older system did;
- ``a process a view``: two processes, each with one head; the time until both have done their steps.

It prints the seconds of a step and the ratios: encoding against stored (the target is at least 20), the same of a step
of Meta Co-Training, whose three batches were encoded four to six times, here once each; and a process a view against
one for all.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy

from modelheir import models
from modelheir.config.fit import FitConfig
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.engine.optim import make_optimizer
from modelheir.engine.step import EngineStep
from modelheir.inference.runtime import Runtime
from modelheir.models.encoders import load_encoder
from modelheir.objective.meta import MetaConfig, MetaCoTraining, MutualFeedbackConfig
from modelheir.types import Batch

TARGET, CLASSES = 20.0, 10


def heads(widths: list[int]) -> dict[str, models.VectorHead]:
    """Return a head a view, as ``train cotrain`` has them."""
    config = VectorHeadConfig(kind="mlp", hidden=(128, 128))
    names = [str(number) for number in range(CLASSES)]
    return {
        f"view_{place}": models.build_vector_head(config, width=width, classes=names, seed=place)
        for place, width in enumerate(widths)
    }


def timed(step: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of a step."""
    step()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def train(named: dict[str, models.VectorHead], views: tuple[torch.Tensor, ...], labels: torch.Tensor) -> Callable:
    """Return a labelled step."""
    optimizer = torch.optim.AdamW([one for head in named.values() for one in head.parameters()], lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        sum(cross_entropy(h(x).logits, labels) for h, x in zip(named.values(), views, strict=True)).backward()
        optimizer.step()

    return step


def meta(views: tuple[torch.Tensor, ...], labels: torch.Tensor, widths: list[int], form: str = "exact") -> Callable:
    """Return a step of Meta Co-Training."""
    named, fit = heads(widths), FitConfig(optimizer="adamw", lr=1e-3, clip_norm=1.0)
    optimizers = {name: make_optimizer([head], fit) for name, head in named.items()}
    update = MetaCoTraining(
        named,
        MetaConfig(collapse_below=0.0, feedback=MutualFeedbackConfig(form)),
        prior=torch.full((CLASSES,), 1 / CLASSES),
    )
    step = EngineStep(Runtime("cpu"), fit, optimizers, stage="mct", seed=0, steps=10_000)
    index = torch.arange(len(labels))
    batches = {
        "train": Batch(views, labels, index, labelled=True),
        "unlabelled": Batch(views, torch.full_like(labels, -1), index),
    }

    def run() -> None:
        step.begin(0, 0)
        update(batches, step)

    return run


def apart(place: int, view: torch.Tensor, labels: torch.Tensor, width: int, count: int, ready: object) -> None:
    """Train one head in a process of its own."""
    torch.set_num_threads(1)
    step = train({"view": heads([width] * (place + 1))[f"view_{place}"]}, (view,), labels)
    step()
    ready.wait()  # pyright: ignore
    for _ in range(count):
        step()
    ready.wait()  # pyright: ignore


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs=2, default=["pkg:efficientnet_lite0", "pkg:efficientnet_lite2"])
    parser.add_argument("--size", type=int, default=112, help="pixels a side that encoders see")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    found = [load_encoder(one, image_size=given.size) for one in given.encoders]
    images, widths = torch.rand(given.batch, 3, given.size, given.size), [one.width for one in found]
    labels = torch.randint(0, CLASSES, (given.batch,))
    views = tuple(one(images) for one in found)
    stored = train(heads(widths), views, labels)
    took = {
        "stored": timed(stored, 10 * given.rounds),
        "meta": timed(meta(views, labels, widths), 5 * given.rounds),
        "no feedback": timed(meta(views, labels, widths, "none"), 5 * given.rounds),
        "encoding": timed(lambda: ([one(images) for one in found], stored()), given.rounds),
    }
    count, ready = 50 * given.rounds, multiprocessing.get_context("spawn").Barrier(3)
    processes = [
        multiprocessing.get_context("spawn").Process(target=apart, args=(i, views[i], labels, widths[i], count, ready))
        for i in range(2)
    ]
    for one in processes:
        one.start()
    ready.wait()
    began = time.perf_counter()
    ready.wait()
    took["a process a view"] = (time.perf_counter() - began) / count
    for one in processes:
        one.join()
    encode = took["encoding"] - took["stored"]
    ratios = {"labelled": took["encoding"] / took["stored"], "meta": (4 * encode + took["meta"]) / took["meta"]}
    for name, seconds in took.items():
        print(f"{name}: {1000 * seconds:.3f} ms a step of {given.batch}")
    for name, ratio in ratios.items():
        print(f"{name}: encoding against stored, ratio {ratio:.1f} (>= {TARGET:g}: {ratio >= TARGET})")
    print(f"meta: feedback against none, ratio {took['meta'] / took['no feedback']:.2f}")
    print(f"a process a view against one for all: ratio {took['a process a view'] / took['stored']:.2f}")


if __name__ == "__main__":
    main()
