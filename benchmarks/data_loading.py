"""Images a second of the resident and the streaming loader and of a plain DataLoader, measured in one run.

``python benchmarks/data_loading.py [--images 4000] [--batch 128] [--workers 2] [--rounds 5] [--device cpu]
[--cifar10 ../shared/data/cifar10]`` reads images of 32 pixels a side with the same augmentation (crop with padding,
mirror image) in three ways that take turns: kept on the device, decoded on the way by workers, and what one would write
without this library. It does so for synthetic images in memory and, where the folder is there, for JPEG files in
Parquet. A rate is the median over the rounds, a ratio the median of the ratios within a round. Every round is an epoch
with a new order; nothing is computed on the batches but one sum, which makes the device finish.

Targets: the resident loader, which needs no workers, is no slower than the streaming one and three times as fast as the
plain one; the streaming loader is no slower than the plain one.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from modelheir.config.inputs import InputConfig
from modelheir.data import ImageSet, make_stream, open_splits

SIZE = 32
TARGETS = {("resident", "streaming"): 1.0, ("resident", "dataloader"): 3.0, ("streaming", "dataloader"): 1.0}


class Plain(Dataset[tuple[Tensor, int]]):
    """What one would write without this library: one image at a time through torchvision's transforms."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images
        self.transform = v2.Compose(
            [
                v2.ToImage(),
                v2.RandomCrop(SIZE, padding=SIZE // 8),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        return len(self.images.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images.image(index)), int(self.images.labels[index])


def rate(batches: Iterable[Tensor], device: torch.device) -> float:
    """Return images a second, the device's work included."""
    start, count, total = time.perf_counter(), 0, torch.zeros((), device=device)
    for images in batches:
        total += images.to(device).mean()
        count += len(images)
    float(total)
    return count / (time.perf_counter() - start)


def measure(images: ImageSet, given: argparse.Namespace) -> dict[str, list[float]]:
    """Return the rates of each way, one a round; the first round starts workers and fills caches, and is left out."""
    device = torch.device(given.device)
    common = InputConfig(image_size=SIZE, augment="crop_flip", workers=given.workers)

    def ours(loader: str) -> Iterator[Iterator[Tensor]]:
        config = dataclasses.replace(common, loader=loader)
        stream = make_stream(images, config=config, batch_size=given.batch, train=True, seed=0, device=device)
        for epoch in range(given.rounds + 1):
            yield (batch.inputs for batch in stream.epoch(epoch))

    def plain() -> Iterator[Iterator[Tensor]]:
        loader = DataLoader(
            Plain(images),
            batch_size=given.batch,
            shuffle=True,
            drop_last=True,
            num_workers=given.workers,
            persistent_workers=given.workers > 0,
            pin_memory=device.type == "cuda",
        )
        for _ in range(given.rounds + 1):
            yield (batch for batch, _ in loader)

    ways = {"dataloader": plain(), "streaming": ours("streaming"), "resident": ours("resident")}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(given.rounds + 1):
        for name, epochs in ways.items():
            found = rate(next(epochs), device)
            if number:
                rates[name].append(found)
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader and of the streaming loader")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    shared = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"
    parser.add_argument("--cifar10", type=Path, default=shared, help="folder with train.parquet")
    given = parser.parse_args()

    few = InputConfig(train_per_class=given.images // 10)
    sources = {"synthetic": f"synthetic:n={2 * given.images},classes=10,size={SIZE}"}
    if (given.cifar10 / "train.parquet").is_file():
        sources["CIFAR-10 (JPEG)"] = f"parquet:{given.cifar10}"
    for name, spec in sources.items():
        rates = measure(open_splits(spec, few)["train"], given)
        medians = ", ".join(f"{way} {statistics.median(values):,.0f}" for way, values in rates.items())
        print(f"images a second from {name} on {given.device}, {given.workers} workers: {medians}")
        for (fast, slow), target in TARGETS.items():
            ratio = statistics.median(a / b for a, b in zip(rates[fast], rates[slow], strict=True))
            verdict = "met" if ratio >= target else "missed"
            print(f"{name}, {fast} against {slow}: ratio {ratio:.2f} (target >= {target:g}): {verdict}")


if __name__ == "__main__":
    main()
