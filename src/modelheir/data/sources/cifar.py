"""CIFAR-10 and CIFAR-100 through torchvision; fetched only when the settings allow it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.extras import need

__all__ = ["open_cifar10", "open_cifar100"]


def open_cifar10(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return the train and test splits of CIFAR-10 (32 x 32, 10 classes)."""
    return _open("cifar10", config)


def open_cifar100(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return the train and test splits of CIFAR-100 (32 x 32, 100 classes)."""
    return _open("cifar100", config)


def _open(name: str, config: InputConfig) -> dict[str, ImageSet]:
    need("train", name, "torch", "torchvision")
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    found = {}
    for split in ("train", "test"):
        try:
            data = kind(config.root, train=split == "train", download=config.download)
        except RuntimeError as error:
            raise InputError(
                f"{name} is not in the folder {config.root!r}; give inputs.download=true to fetch it, "
                "or inputs.root of a folder that has it."
            ) from error
        found[split] = ImageSet(
            name=f"{name}/{split}",
            classes=tuple(data.classes),
            ids=np.array([f"{split}/{i:05d}" for i in range(len(data.targets))]),
            labels=np.array(data.targets, dtype=np.int64),
            pixels=ArrayPixels(data.data),
            rows=np.arange(len(data.targets)),
            mirror=True,
        )
    return found
