"""What a picture shows and in which detail: mirrored, its middle enlarged, warped, stored as JPEG, in coarse pixels.

The warp: Hendrycks and Dietterich, 2019, after Simard et al., 2003. Departure: the picture is sampled once, where the
original samples the affine part and the elastic part one after the other.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from modelheir.data.shifts.blur import zoom

__all__ = ["crop_zoom", "elastic", "jpeg", "mirror", "pixelate"]


def mirror(images: np.ndarray, amount: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
    """Mirror left to right the images whose amount ``(N,)`` is odd; any dtype."""
    return np.where((np.asarray(amount) % 2 == 1)[:, None, None, None], images[:, :, ::-1], images)


def crop_zoom(images: np.ndarray, kept: float, random: np.random.Generator | None = None) -> np.ndarray:
    """Cut the middle, a share of each side, and enlarge it to the old size, bilinearly; floats of 0 to 1."""
    return zoom(images, 1 / kept)


def elastic(images: np.ndarray, warp: tuple[float, float, float], random: np.random.Generator) -> np.ndarray:
    """Move three points of each picture, and the whole with them, then every pixel; bilinear, mirrored at the border.

    Args:
        images: Floats of 0 to 1.
        warp: As shares of the shorter side: how far pixels move before they are smoothed, the Gaussian that smooths
            these moves, and how far the points move at most.
        random: Of the moves.
    """
    height, width = images.shape[1:3]
    far, smooth, points = (share * min(height, width) for share in warp)
    middle, reach = np.array([height // 2, width // 2]), min(height, width) // 3
    fixed = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    grid = np.indices((height, width)).reshape(2, -1)
    out = np.empty_like(images)
    for place, one in enumerate(images):
        moved = fixed + random.uniform(-points, points, fixed.shape)
        back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), fixed).T  # a place of the result to the picture
        moves = random.uniform(-1, 1, (2, height, width))
        moves = ndimage.gaussian_filter(moves, (0, smooth, smooth), mode="reflect", truncate=3) * far
        source = back @ np.vstack([grid + moves.reshape(2, -1), np.ones(height * width)])
        for channel in range(one.shape[2]):
            seen = ndimage.map_coordinates(one[..., channel], source, order=1, mode="mirror")
            out[place, ..., channel] = seen.reshape(height, width)
    return out


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
