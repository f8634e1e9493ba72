"""A grid of example images: a row a time step (or whatever varies), a column a class, with hard pixels."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from modelheir import checks
from modelheir.report.figures.svg import shorten, tag, title

__all__ = ["EXAMPLE_COLUMNS", "Example", "example_rows", "examples", "png"]

EXAMPLE_COLUMNS = ("row", "column", "caption", "sample_id")
_CELL, _LEFT, _TOP, _GAP = 72, 150, 26, 6
_WORDS = 16  #: units below an image for its caption


class Example(NamedTuple):
    """One image of the grid."""

    image: np.ndarray  #: uint8 ``(H, W, 3)``
    caption: str = ""  #: written below it; "" leaves no room where no image of the grid has one
    sample_id: str = ""


def examples(grid: Sequence[tuple[str, Sequence[Example | None]]], columns: Sequence[str] = ()) -> Markup:
    """Draw images in rows and columns.

    Args:
        grid: Name of each row and its images; ``None`` leaves a place empty.
        columns: Names above the columns; may be left out.

    Returns:
        An SVG element that holds the images themselves.

    Raises:
        ValueError: If an image has another shape or type, or a row is longer than there are names.
    """
    wide = max([len(columns), *(len(row) for _, row in grid)], default=0)
    if columns and wide > len(columns):
        raise ValueError(f"a row has {wide} images, and there are {len(columns)} names of columns")
    top = _TOP if columns else 4
    words = _WORDS if any(one and one.caption for _, row in grid for one in row) else 0
    width, step = _LEFT + wide * (_CELL + _GAP), _CELL + words + _GAP
    marks: list[Markup] = []
    for place, name in enumerate(columns):
        x = _LEFT + place * (_CELL + _GAP) + _CELL / 2
        marks.append(tag("text", title(name), shorten(name, 11), x=x, y=18.0, text_anchor="middle", class_="label"))
    for number, (name, row) in enumerate(grid):
        y = top + number * step
        place = {"x": _LEFT - 10, "y": y + _CELL / 2 + 4, "text_anchor": "end", "class_": "label"}
        marks.append(tag("text", title(name), shorten(name, 22), **place))
        for column, one in enumerate(row):
            if one is None:
                continue
            x = _LEFT + column * (_CELL + _GAP)
            hint = title(" ".join(filter(None, [name, columns[column] if columns else "", one.caption, one.sample_id])))
            address = f"data:image/png;base64,{base64.b64encode(png(one.image)).decode()}"
            frame = {"x": x, "y": y, "width": _CELL, "height": _CELL, "image_rendering": "pixelated"}
            marks.append(tag("image", hint, href=address, **frame))
            if one.caption:
                below = {"x": x + _CELL / 2, "y": y + _CELL + 12, "text_anchor": "middle", "class_": "tick"}
                marks.append(tag("text", title(one.caption), shorten(one.caption, 13), **below))
    height = top + len(grid) * step
    box = f"0 0 {width:g} {height:g}"
    label = f"Example images: {len(grid)} rows, {wide} columns"
    space = "http://www.w3.org/2000/svg"
    return tag("svg", *marks, xmlns=space, viewBox=box, role="img", aria_label=label, class_="figure examples")


def example_rows(
    grid: Sequence[tuple[str, Sequence[Example | None]]], columns: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return what is drawn, one row an image."""
    return [
        {"row": name, "column": columns[k] if columns else k, "caption": one.caption, "sample_id": one.sample_id}
        for name, row in grid
        for k, one in enumerate(row)
        if one is not None
    ]


def png(image: np.ndarray) -> bytes:
    """Encode an image as PNG, without loss.

    Args:
        image: uint8 ``(H, W, 3)``, at least one pixel.

    Raises:
        ValueError: If it has another shape or type.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    checks.at_least(1, pixels=image.shape[0] * image.shape[1])
    lines = np.concatenate([np.zeros((len(image), 1), np.uint8), image.reshape(len(image), -1)], axis=1)  # no filter

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
