import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelheir.config.inputs import InputConfig
from modelheir.data.images import ArrayPixels, ImageSet


@pytest.fixture
def config():
    return InputConfig(workers=0)


@pytest.fixture
def make_images():
    """Make an image set of random pixels in memory, with labels 0, 1, ..., C-1, 0, ..."""

    def make(n=12, classes=3, height=8, width=8, seed=0, **changes):
        pixels = np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
        images = ImageSet(
            name="toy",
            classes=tuple(f"c{i}" for i in range(classes)),
            ids=np.array([f"toy/{i:03d}" for i in range(n)]),
            labels=np.arange(n, dtype=np.int64) % classes,
            pixels=ArrayPixels(pixels),
            rows=np.arange(n),
            columns={"domain": np.array(["day", "night"])[np.arange(n) % 2]},
        )
        return dataclasses.replace(images, **changes)

    return make


@pytest.fixture
def save():
    """Write a random image file and return its pixels."""

    def write(path, height=8, width=8, seed=0):
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return pixels

    return write


@pytest.fixture
def png():
    """Encode an array as PNG."""

    def encode(pixels):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        return buffer.getvalue()

    return encode


@pytest.fixture
def cifar():
    """Return the folder of CIFAR-10 (JPEG), or skip."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "cifar10"
    if not (folder / "train.parquet").is_file():
        pytest.skip("CIFAR-10 (JPEG) is not here")
    return folder
