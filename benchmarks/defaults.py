"""Do the defaults learn? A default ``train finetune`` against textbook recipes on the same images, network and epochs.

``python benchmarks/defaults.py [--cifar DIR] [--seeds 0 1 2] [--out runs/defaults] [--json FILE]`` prints for each set
the accuracy on the test images of every arm, mean over seeds, the default's difference from each textbook arm with its
paired interval, and the cost.

- ``digits``: 12,000 training images of 28 pixels, ten classes, one epoch. Made from the 1,797 digits that scikit-learn
  ships, enlarged, turned, sheared, bent and made noisy; 1,000 of them make the training images, 300 others the
  selection split and the rest the test images, so that no handwriting is on two sides.
- ``cifar``: CIFAR-10 as ``train*.parquet`` and ``test*.parquet`` in ``DIR``, three epochs; ``--share`` takes a part of
  the training images.

A textbook arm is a hand-written loop with torch's own ``OneCycleLR``: the network that the default takes, with the same
first weights, shifted images (mirrored half of the time on photographs), no label smoothing. The default arm knows the
data by its address alone, so it does not mirror. Seconds are of the processor, one thread; those of the default include
reading the files and the selection split, those of the textbook only training and the test images.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import io
import json
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits
from torch import Tensor, nn

import modelheir
from modelheir.analysis.arms import over_seeds
from modelheir.assemble.resolved import default_model
from modelheir.config.fit import FitConfig, choose
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.models import build
from modelheir.runs.environment import source_state
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A textbook training; the rate is that at the top of the cycle."""

    optimizer: str
    lr: float
    weight_decay: float
    batch: int = 0  #: images a step; 0 is the default's, so that both take as many steps

    @property
    def name(self) -> str:
        """Say what it is."""
        return f"{self.optimizer} {self.lr:g}, {f'batch {self.batch}' if self.batch else 'same batch'}"


@dataclasses.dataclass(frozen=True)
class World:
    """A data set, how long it is trained on, and what it is compared with."""

    name: str
    data: str
    epochs: int
    mirror: bool
    share: float = 1.0  #: of the training images


SGD, ADAMW = ("SGD", 0.1, 5e-4), ("AdamW", 0.01, 0.01)
RECIPES = {
    "digits": [Recipe(*SGD), Recipe(*ADAMW), Recipe("AdamW", 0.003, 0.01), Recipe(*SGD, batch=128)],
    "cifar": [Recipe(*SGD), Recipe(*ADAMW)],
}


def draw_digit(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return one digit, values 0 to 16 in ``(8, 8)``, as uint8 ``(28, 28)`` with variation of its own."""
    size, middle = 28, 13.5
    big = np.pad(np.clip(ndimage.zoom(grey / 16, 2.75, order=3), 0, 1), 3)
    angle, scale, shear = np.deg2rad(random.uniform(-15, 15)), random.uniform(0.8, 1.15), random.uniform(-0.25, 0.25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ [[1, shear], [0, 1]] / scale
    grid = np.mgrid[:size, :size].reshape(2, -1) - middle
    bend = [ndimage.gaussian_filter(random.uniform(-1, 1, (size, size)), 4).ravel() * 34 for _ in range(2)]
    places = turn @ grid + middle + random.uniform(-2, 2, (2, 1)) + bend
    image = ndimage.map_coordinates(big, places.reshape(2, size, size), order=1) * random.uniform(0.7, 1)
    return (np.clip(image + random.normal(0, 0.05, image.shape), 0, 1) * 255).astype(np.uint8)


def make_digits(folder: Path, images: int) -> Path:
    """Write the three splits in the hub's layout, once; return the folder."""
    digits, random = load_digits(), np.random.default_rng(0)
    order = random.permutation(len(digits.images))
    parts = {
        "train": (order[:1000], images),
        "val": (order[1000:1300], images // 6),
        "test": (order[1300:], images // 3),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for split, (source, count) in parts.items():
        rows = random.permutation(np.resize(source, count))
        cells = []
        for number, row in enumerate(rows):
            file = io.BytesIO()
            Image.fromarray(draw_digit(digits.images[row], random)).save(file, "png")
            cells.append({"bytes": file.getvalue(), "path": f"{split}/{number:05d}.png"})
        pq.write_table(pa.table({"image": cells, "label": digits.target[rows]}), folder / f"{split}.parquet")
    return folder


@functools.cache
def decode(data: str, share: float) -> tuple[dict[str, tuple[Tensor, Tensor]], tuple[str, ...]]:
    """Return the pixels, uint8 ``(N, 3, S, S)``, and labels of the splits that the default sees, and the classes."""
    splits = open_splits(data, InputConfig(train_fraction=share))
    found = {}
    for name in ("train", "test"):
        images = splits[name]
        pixels = np.stack([images.image(i) for i in range(len(images))])
        found[name] = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(images.labels)
    return found, splits["train"].classes


def train_textbook(world: World, recipe: Recipe, seed: int) -> tuple[float, int]:
    """Train by the book; return the accuracy on the test images and the steps."""
    splits, classes = decode(world.data, world.share)
    images, labels = splits["train"]
    size_of_batch = recipe.batch or choose(FitConfig(), images=len(images), small=True, trained=False).batch_size
    size, random = images.shape[-1], torch.Generator().manual_seed(seed)
    model = build(default_model(size), classes=classes, image_size=size, seed=seed)
    kind = {"SGD": lambda p, **k: torch.optim.SGD(p, momentum=0.9, nesterov=True, **k), "AdamW": torch.optim.AdamW}
    optimizer = kind[recipe.optimizer](model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    steps = world.epochs * (len(images) // size_of_batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, steps, cycle_momentum=False)
    for _ in range(world.epochs):
        for rows in torch.randperm(len(images), generator=random).split(size_of_batch):
            if len(rows) == size_of_batch:
                batch = shift(images[rows], size // 8, mirror=world.mirror, random=random)
                loss = nn.functional.cross_entropy(model(batch / 255).logits, labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                cycle.step()
    model.eval()
    images, labels = splits["test"]
    with torch.no_grad():
        right = [
            (model(x / 255).logits.argmax(1) == y).sum()
            for x, y in zip(images.split(500), labels.split(500), strict=True)
        ]
    return int(sum(right)) / len(labels), steps


def shift(images: Tensor, pad: int, *, mirror: bool, random: torch.Generator) -> Tensor:
    """Pad with black, cut the old size at a random place of each image, and mirror half of them."""
    size, padded = images.shape[-1], nn.functional.pad(images, (pad,) * 4)
    places = torch.randint(0, 2 * pad + 1, (len(images), 2), generator=random).tolist()
    cut = torch.stack([one[:, y : y + size, x : x + size] for one, (y, x) in zip(padded, places, strict=True)])
    if mirror:
        chosen = torch.rand(len(images), generator=random) < 0.5
        cut[chosen] = cut[chosen].flip(3)
    return cut


def train_default(world: World, seed: int, out: Path) -> tuple[float, int, dict[str, Any]]:
    """Train with every default; return the accuracy on the test images, the steps and what was chosen."""
    amount: dict[str, Any] = {"epochs": world.epochs, "inputs": {"train_fraction": world.share}}
    run = modelheir.train("finetune", data=world.data, seed=seed, out=str(out), quiet=True, **amount)
    folder = RunFolder(run)
    steps = json.loads(folder.metrics.read_text().splitlines()[-1])["step"]
    settings = modelheir.config.mapping.read_yaml(folder.config)
    chosen = {key: settings["fit"][key] for key in ("optimizer", "lr", "weight_decay", "schedule", "batch_size")}
    chosen |= {"model": settings["model"], **{key: settings["inputs"][key] for key in ("augment", "mirror")}}
    return read_json(folder.result)["test/accuracy"]["value"], steps, chosen


def measure(world: World, seeds: Sequence[int], out: Path) -> dict[str, Any]:
    """Train every arm with every seed; each seed's values are printed as they come."""
    arms: dict[str, list[dict[str, Any]]] = {}
    chosen: dict[str, Any] = {}
    for seed in seeds:
        for recipe in (None, *RECIPES[world.name]):
            decode(world.data, world.share)
            began = time.process_time()
            if recipe is None:
                accuracy, steps, chosen = train_default(world, seed, out / world.name / f"seed{seed}")
            else:
                accuracy, steps = train_textbook(world, recipe, seed)
            row = {"seed": seed, "accuracy": accuracy, "steps": steps, "seconds": time.process_time() - began}
            arms.setdefault("default" if recipe is None else recipe.name, []).append(row)
            print(f"{world.name}: {'default' if recipe is None else recipe.name}: {row}", flush=True)
    return {"data": world.name, "epochs": world.epochs, "share": world.share, "default": chosen, "arms": arms}


def table(found: Mapping[str, Any]) -> str:
    """Return the Markdown table of one set: accuracies in percent, differences in points."""
    arms = {name: [row["accuracy"] for row in rows] for name, rows in found["arms"].items()}
    best = max((name for name in arms if name != "default"), key=lambda name: float(np.mean(arms[name])))
    lines = [
        f"| {found['data']}, {found['epochs']} epochs, {len(arms['default'])} seeds | accuracy | default - arm | steps "
        "| seconds |",
        "|---|---|---|---|---|",
    ]
    for name, values in arms.items():
        gap, ends = over_seeds([a - b for a, b in zip(arms["default"], values, strict=True)])
        spread = f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]" if ends else ""
        difference = "" if name == "default" else f"{100 * gap:+.1f}{spread}"
        rows = found["arms"][name]
        cost = f"{rows[0]['steps']:,} | {np.mean([row['seconds'] for row in rows]):.0f}"
        title = f"{name} (best)" if name == best else name
        lines.append(f"| {title} | {100 * np.mean(values):.1f} | {difference} | {cost} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the raw values where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, help="folder with CIFAR-10 as Parquet; left out without it")
    parser.add_argument("--sets", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--images", type=int, default=12_000, help="training images of the digits")
    parser.add_argument("--share", type=float, default=1.0, help="of the training images of CIFAR-10")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/defaults"))
    parser.add_argument("--json", type=Path, help="where to write the values of every run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    worlds: list[World] = []
    if "digits" in given.sets:
        worlds.append(
            World("digits", f"parquet:{make_digits(given.out / 'digits28', given.images)}", epochs=1, mirror=False)
        )
    if "cifar" in given.sets and given.cifar:
        worlds.append(World("cifar", f"parquet:{given.cifar}", epochs=3, mirror=True, share=given.share))
    found = [measure(world, given.seeds, given.out) for world in worlds]
    if given.json:
        versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
        about = {"command": "benchmarks/defaults.py", **source_state(Path(__file__).parent), "versions": versions}
        given.json.write_text(json.dumps({**about, "seeds": given.seeds, "sets": found}, indent=1) + "\n")
    print("\n\n".join(table(one) for one in found))


if __name__ == "__main__":
    main()
