"""Bytes or a file to 8-bit RGB.

Grey becomes three equal channels; a palette is applied; 16-bit samples are divided by 257 and rounded; alpha is laid
over white. The orientation tag of cameras is not applied, and of an animation the first picture counts.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from modelheir.checks import InputError

__all__ = ["DecodeError", "decode", "image_size"]

_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class DecodeError(Exception):
    """This image cannot be read; others can."""


def decode(source: Path | bytes, *, name: str, max_megapixels: float) -> np.ndarray:
    """Read one image.

    Args:
        source: A file, or its content.
        name: What error messages call it.
        max_megapixels: A larger image is refused before it is decoded.

    Returns:
        Uint8 ``(H, W, 3)``, RGB.

    Raises:
        DecodeError: If the file is missing, empty, truncated, or no image.
        InputError: If the image is too large.
    """
    image = _open(source, name, max_megapixels)
    try:
        with image:
            return _to_rgb(image)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DecodeError(f"{name}: {error}") from error


def image_size(source: Path | bytes, *, name: str, max_megapixels: float) -> tuple[int, int]:
    """Return ``(H, W)`` from the header alone; raises like :func:`decode`."""
    with _open(source, name, max_megapixels) as image:
        return image.height, image.width


def _open(source: Path | bytes, name: str, max_megapixels: float) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, "more than 89", max_megapixels) from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = "empty file" if _is_empty(source) else _reason(error)
        raise DecodeError(f"{name}: {reason}") from error
    millions = image.width * image.height / 1e6
    if millions > max_megapixels:
        image.close()
        raise _too_large(name, f"{image.width} x {image.height} = {millions:.1f}", max_megapixels)
    return image


def _too_large(name: str, size: str, limit: float) -> InputError:
    return InputError(
        f"{name}: the image has {size} million pixels, over the limit of {limit:g}; "
        "remove it or raise inputs.max_megapixels."
    )


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return "not an image" if "identify" in str(error) else str(error)


def _is_empty(source: Path | bytes) -> bool:
    if isinstance(source, bytes):
        return not source
    return source.is_file() and source.stat().st_size == 0


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "RGB":
        return np.array(image)
    if image.mode in _DEEP or image.mode == "F":
        return _deep_to_rgb(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            image = image.convert("RGBA")
        pixels = np.asarray(image).astype(np.float32)
        alpha = pixels[..., 3:] / 255
        return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.array(image.convert("RGB"))


def _deep_to_rgb(image: Image.Image) -> np.ndarray:
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535 or image.mode == "F":
        raise ValueError(f"samples of kind {image.mode!r} are not 8-bit or 16-bit numbers")
    grey = np.rint(values / 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
