"""What a picture shows and in which detail: mirrored, its middle enlarged, stored as JPEG, in coarse pixels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from modelheir.data.shifts.blur import zoom

__all__ = ["crop_zoom", "jpeg", "mirror", "pixelate"]


def mirror(images: np.ndarray, amount: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
    """Mirror left to right the images whose amount ``(N,)`` is odd; any dtype."""
    return np.where((np.asarray(amount) % 2 == 1)[:, None, None, None], images[:, :, ::-1], images)


def crop_zoom(images: np.ndarray, kept: float, random: np.random.Generator | None = None) -> np.ndarray:
    """Cut the middle, a share of each side, and enlarge it to the old size, bilinearly; floats of 0 to 1."""
    return zoom(images, 1 / kept)


def jpeg(images: np.ndarray, quality: int, random: np.random.Generator | None = None) -> np.ndarray:
    """Store as JPEG of a quality, 1 to 95, and read back; floats of 0 to 1."""
    out = np.empty_like(images)
    for place, one in enumerate(_levels(images)):
        buffer = io.BytesIO()
        Image.fromarray(one).save(buffer, format="JPEG", quality=quality)
        with Image.open(buffer) as stored:
            out[place] = np.asarray(stored, dtype=np.float32) / 255
    return out


def pixelate(images: np.ndarray, share: float, random: np.random.Generator | None = None) -> np.ndarray:
    """Shrink to a share of each side and enlarge again, both by the mean over boxes; floats of 0 to 1."""
    height, width = images.shape[1:3]
    small = (max(int(width * share), 1), max(int(height * share), 1))
    box = Image.Resampling.BOX
    shrunk = [
        np.asarray(Image.fromarray(one).resize(small, box).resize((width, height), box)) for one in _levels(images)
    ]
    return np.stack(shrunk).astype(np.float32) / 255


def _levels(images: np.ndarray) -> np.ndarray:
    return np.rint(images * 255).astype(np.uint8)
