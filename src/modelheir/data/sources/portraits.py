"""Portraits: American high-school yearbooks by decade, faces of 1905 to 2013 labelled M and F.

Ginosar et al., "A Century of Portraits: A Visual Historical Record of American High School Yearbooks", 2015. The
archive holds the folders ``M`` and ``F``, whose files begin with their year. :func:`prepare_portraits` lays them out as
Seq-to-Final does: ``time0`` (the 1930s) to ``time6`` (the 1990s) and ``time7`` (2000 on), each with ``0`` for M and
``1`` for F; what is older is left out.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import FilePixels, ImageSet, Pixels
from modelheir.data.sources.files import images_below

__all__ = ["CLASSES", "TIMES", "SquarePixels", "open_portraits", "prepare_portraits"]

CLASSES = ("M", "F")  #: label 0 and 1
TIMES = ("1930s", "1940s", "1950s", "1960s", "1970s", "1980s", "1990s", "2000 on")
_SIZE = 32


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
    for time in range(len(TIMES)):
        for label in range(len(CLASSES)):
            found = sorted(images_below(root / f"time{time}" / str(label)))
            paths += found
            labels += [label] * len(found)
            times += [time] * len(found)
    if not place or not paths:
        raise InputError(
            f"portraits:{place}: there is no image in time0/0 to time7/1: lay the archive out, its folders M and F, "
            "with modelheir.data.prepare_portraits."
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


def prepare_portraits(archive: Path | str, out: Path | str) -> dict[str, int]:
    """Copy the archive's images into the layout above.

    Args:
        archive: A folder with the folders ``M`` and ``F``; files that do not begin with a year are left out.
        out: A folder that is not there yet; it appears when all is copied.

    Returns:
        How many images each decade has, and how many were ``left out``.

    Raises:
        InputError: If ``M`` or ``F`` is missing, no image is from 1930 on, or ``out`` is there already.
    """
    archive, out = Path(archive), Path(out)
    for name in CLASSES:
        if not (archive / name).is_dir():
            raise InputError(f"{archive}: there is no folder {name}: give the archive of Portraits, unpacked.")
    if out.exists():
        raise InputError(f"{out} is there already: name a new folder, or use this one as portraits:{out}.")
    counts: dict[str, int] = dict.fromkeys((*TIMES, "left out"), 0)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for label, name in enumerate(CLASSES):
            for file in sorted(images_below(archive / name)):
                time = _time(file.name)
                counts["left out" if time is None else TIMES[time]] += 1
                if time is not None:
                    place = unfinished / f"time{time}" / str(label) / file.relative_to(archive / name).as_posix()
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, place)
        if not any(counts[name] for name in TIMES):
            raise InputError(f"{archive}: no image in M or F has a name that begins with a year from 1930 on.")
        unfinished.chmod(0o755)
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return counts


def _time(name: str) -> int | None:
    """Return the step of a file by the year that its name begins with; ``None`` before 1930 and without a year."""
    year = re.match(r"(19|20)\d\d", name)
    if not year or int(year[0]) < 1930:
        return None
    return min(int(year[0]) // 10 - 193, len(TIMES) - 1)
