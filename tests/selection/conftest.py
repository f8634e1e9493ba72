"""Textured pictures, the changes of V-12, and marks of images in memory."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from modelheir.selection.marks import Marked, content_digest, perceptual_hash, thumbnail


def textured(seed, side=96):
    """Smooth colours and sharp patches of brightness, as in a photograph."""
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    total = 0.6 * np.asarray(Image.fromarray(colour).resize((side, side), Image.Resampling.BICUBIC), dtype=float)
    y, x = np.mgrid[:side, :side] / side
    for _ in range(14):
        (a, b), (h, w) = rng.random(2), rng.uniform(0.05, 0.25, 2)
        inside = (
            (np.abs(x - a) < w) & (np.abs(y - b) < h)
            if rng.random() < 0.5
            else ((x - a) / w) ** 2 + ((y - b) / h) ** 2 < 1
        )
        total[inside] += rng.uniform(-70, 70)
    return (total + 40).clip(0, 255).astype(np.uint8)


def changed(image, kind, rng):
    """Return a copy as V-12 changes it."""
    picture = Image.fromarray(image)
    width, height = picture.size
    if kind == "scaled":
        factor = rng.uniform(0.5, 2)
        picture = picture.resize((round(width * factor), round(height * factor)), Image.Resampling.BICUBIC)
    elif kind == "jpeg":
        store = io.BytesIO()
        picture.save(store, "JPEG", quality=50)
        picture = Image.open(io.BytesIO(store.getvalue())).convert("RGB")
    elif kind == "cropped":
        w, h = round(0.7 * width), round(0.7 * height)
        x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        picture = picture.crop((x, y, x + w, y + h))
    elif kind == "turned":
        picture = picture.rotate(float(rng.choice([-15, 15])), Image.Resampling.BILINEAR)
    elif kind == "brighter":
        picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.6, 1.4))
    return np.asarray(picture)


def marked(images):
    """Return marks; the features say nothing."""
    return Marked(
        np.array([content_digest(one) for one in images], dtype=object),
        np.array([perceptual_hash(one) for one in images]),
        np.stack([thumbnail(one) for one in images]),
        np.zeros((len(images), 2), np.float16),
        lambda row: images[row],
    )


@pytest.fixture
def draw_textured():
    return textured


@pytest.fixture
def change():
    return changed


@pytest.fixture
def marks_of():
    return marked
