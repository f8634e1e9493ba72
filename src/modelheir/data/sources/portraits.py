"""Portraits: American high-school yearbooks by decade, faces of 1905 to 2013 labelled M and F.

Ginosar et al., "A Century of Portraits: A Visual Historical Record of American High School Yearbooks", 2015. The
archive holds the folders ``M`` and ``F``, whose files begin with their year, and is read as it is; what is older than
the 1930s is left out. So is a folder that Seq-to-Final has laid out: ``time0`` (the 1930s) to ``time6`` (the 1990s) and
``time7`` (2000 on), each with ``0`` for M and ``1`` for F.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import FilePixels, ImageSet, Pixels
from modelheir.data.sources.files import images_below

__all__ = ["CLASSES", "TIMES", "SquarePixels", "open_portraits"]

CLASSES = ("M", "F")  #: label 0 and 1
TIMES = ("1930s", "1940s", "1950s", "1960s", "1970s", "1980s", "1990s", "2000 on")
_SIZE = 32
_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


def open_portraits(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return all portraits as one split, with the columns ``time``, 0 to 7, and ``decade``.

    Option ``size``: pixels a side to which images are brought, by default 32 as in Seq-to-Final (the whole picture, so
    that its aspect changes).

    Raises:
        InputError: If the folder is not laid out as above.
    """
    for key in options:
        if key != "size":
            raise checks.unknown("option of portraits", key, ["size"])
    size = options.get("size", str(_SIZE))
    if not size.isdecimal() or int(size) < 1:
        raise InputError(f"portraits: size = {size!r}: must be a whole number >= 1.")
    root = Path(place)
    paths, labels, times = [], [], []
    for time, by_label in enumerate(_files(root) if place else ()):
        for label, found in enumerate(by_label):
            paths += found
            labels += [label] * len(found)
            times += [time] * len(found)
    if not paths:
        raise InputError(
            f"portraits:{place}: there is no image in M and F whose name begins with a year from 1930 on, nor in "
            "time0/0 to time7/1: give the archive of Portraits, unpacked."
        )
    images = ImageSet(
        name=f"portraits:{place}",
        classes=CLASSES,
        ids=np.array([path.relative_to(root).as_posix() for path in paths]),
        labels=np.array(labels, dtype=np.int64),
        pixels=SquarePixels(FilePixels(paths, config.max_megapixels), int(size)),
        rows=np.arange(len(paths)),
        columns={"time": np.array(times, dtype=np.int64), "decade": np.array(TIMES)[times]},
        mirror=True,
    )
    return {"train": images}


@dataclasses.dataclass(frozen=True, eq=False)
class SquarePixels:
    """Images brought to a square when read, bilinearly, the whole of them."""

    inner: Pixels
    side: int

    def read(self, row: int, name: str) -> np.ndarray:
        """Read and resize the image."""
        square = Image.fromarray(self.inner.read(row, name)).resize((self.side, self.side), Image.Resampling.BILINEAR)
        return np.array(square)

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Return the square's size, once the image's own is known."""
        self.inner.size(row, name)
        return self.side, self.side


def _files(root: Path) -> list[list[list[Path]]]:
    """Return the images of each time and label, sorted, of the archive or laid out by decade."""
    if not all((root / name).is_dir() for name in CLASSES):
        return [
            [sorted(images_below(root / f"time{time}" / str(label))) for label in range(len(CLASSES))]
            for time in range(len(TIMES))
        ]
    found: list[list[list[Path]]] = [[[] for _ in CLASSES] for _ in TIMES]
    left_out = 0
    for label, name in enumerate(CLASSES):
        for path in sorted(images_below(root / name)):
            time = _time(path.name)
            left_out += time is None
            if time is not None:
                found[time][label].append(path)
    if left_out:
        _say(f"portraits:{root}: {left_out:,} images of before 1930, or whose name begins with no year, are left out.")
    return found


def _time(name: str) -> int | None:
    """Return the step of a file by the year that its name begins with; ``None`` before 1930 and without a year."""
    year = re.match(r"(19|20)\d\d", name)
    if not year or int(year[0]) < 1930:
        return None
    return min(int(year[0]) // 10 - 193, len(TIMES) - 1)
