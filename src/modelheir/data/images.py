"""A named set of labelled images, wherever their pixels are kept."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from modelheir import checks
from modelheir.checks import InputError
from modelheir.data.decode import decode, image_size

__all__ = ["ArrayPixels", "BytesPixels", "FilePixels", "ImageSet", "JoinedPixels", "Pixels", "encode_png", "join_sets"]


class Pixels(Protocol):
    """Where images are kept; rows are those of the source, not of a split."""

    def read(self, row: int, name: str) -> np.ndarray:
        """Return uint8 ``(H, W, 3)``; raises ``DecodeError`` where the image is unreadable."""
        ...

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Return ``(H, W)`` without decoding."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayPixels:
    """Decoded images of one size."""

    array: np.ndarray  #: uint8 ``(N, H, W, 3)``

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or self.array.shape[3] != 3 or self.array.dtype != np.uint8 or 0 in self.array.shape:
            raise InputError(
                f"images must be uint8 of shape (N, H, W, 3) with no zero, got {self.array.dtype} {self.array.shape}"
            )

    def read(self, row: int, name: str) -> np.ndarray:
        """Return the image."""
        return self.array[row]

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Return ``(H, W)``."""
        return int(self.array.shape[1]), int(self.array.shape[2])


@dataclasses.dataclass(frozen=True, eq=False)
class FilePixels:
    """Image files, decoded when read."""

    paths: list[Path]
    max_megapixels: float

    def read(self, row: int, name: str) -> np.ndarray:
        """Decode the file."""
        return decode(self.paths[row], name=name, max_megapixels=self.max_megapixels)

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Read the header of the file."""
        return image_size(self.paths[row], name=name, max_megapixels=self.max_megapixels)


@dataclasses.dataclass(frozen=True, eq=False)
class BytesPixels:
    """Encoded images in an Arrow column of bytes, decoded when read."""

    column: Any  #: ``pyarrow.ChunkedArray`` of binary
    max_megapixels: float

    def read(self, row: int, name: str) -> np.ndarray:
        """Decode the value."""
        return decode(self.column[row].as_py() or b"", name=name, max_megapixels=self.max_megapixels)

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Read the header of the value."""
        return image_size(self.column[row].as_py() or b"", name=name, max_megapixels=self.max_megapixels)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSet:
    """One split: ids, labels, further columns, and where the pixels are."""

    name: str  #: of the source and the split, for messages
    classes: tuple[str, ...]
    ids: np.ndarray  #: ``(N,)`` str, unique
    labels: np.ndarray  #: ``(N,)`` int64; -1 is unlabelled
    pixels: Pixels
    rows: np.ndarray  #: ``(N,)`` int64 into ``pixels``
    columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    mirror: bool = False  #: known as photographs whose mirror images keep their class; "auto" augmentation then flips
    skipped: tuple[str, ...] = ()  #: ids of images left out because they cannot be decoded

    def __post_init__(self) -> None:
        checks.same_length(ids=self.ids, labels=self.labels, rows=self.rows, **dict(self.columns))
        outside = (self.labels < -1) | (self.labels >= len(self.classes))
        if outside.any():
            at = int(np.flatnonzero(outside)[0])
            raise InputError(
                f"{self.name}: label {int(self.labels[at])} of {str(self.ids[at])!r} is outside the class list "
                f"(0 to {len(self.classes) - 1}, or -1 for unlabelled)."
            )
        unique, counts = np.unique(self.ids, return_counts=True)
        if len(unique) < len(self.ids):
            raise InputError(
                f"{self.name}: {int((counts > 1).sum())} sample ids occur more than once, "
                f"the first is {str(unique[counts > 1][0])!r}."
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def array(self) -> np.ndarray | None:
        """All images, uint8 ``(N, H, W, 3)``, where they are decoded already."""
        if not isinstance(self.pixels, ArrayPixels):
            return None
        every = len(self.rows) == len(self.pixels.array) and bool((self.rows == np.arange(len(self.rows))).all())
        return self.pixels.array if every else self.pixels.array[self.rows]

    def image(self, i: int) -> np.ndarray:
        """Return image ``i``: uint8 ``(H, W, 3)``, RGB."""
        return self.pixels.read(int(self.rows[i]), str(self.ids[i]))

    def size(self, i: int) -> tuple[int, int]:
        """Return ``(H, W)`` of image ``i`` without decoding it."""
        return self.pixels.size(int(self.rows[i]), str(self.ids[i]))

    def subset(self, keep: np.ndarray, *, name: str | None = None) -> ImageSet:
        """Return the rows ``keep`` (numbers or a mask), in that order."""
        return dataclasses.replace(
            self,
            name=self.name if name is None else name,
            ids=self.ids[keep],
            labels=self.labels[keep],
            rows=self.rows[keep],
            columns={key: values[keep] for key, values in self.columns.items()},
        )


@dataclasses.dataclass(frozen=True, eq=False)
class JoinedPixels:
    """The images of several sources, one source after another."""

    parts: tuple[Pixels, ...]
    place: np.ndarray  #: ``(N, 2)`` int64: which part, and its row there

    def read(self, row: int, name: str) -> np.ndarray:
        """Read the image from its part."""
        part, own = self.place[row]
        return self.parts[part].read(int(own), name)

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Ask its part."""
        part, own = self.place[row]
        return self.parts[part].size(int(own), name)


def join_sets(sets: Sequence[ImageSet], *, name: str) -> ImageSet:
    """Put sets of one class list one after another, such as a pool beside the labelled images.

    Columns that all sets have are kept. A mirrored image keeps its class where it does in every set.

    Raises:
        InputError: If class lists differ, or a sample id occurs twice.
    """
    first = sets[0]
    for other in sets[1:]:
        if other.classes != first.classes:
            raise InputError(f"{other.name} has other classes than {first.name}: sets that are joined share one list.")
    shared = set.intersection(*(set(one.columns) for one in sets))
    arrays = [one.array for one in sets]
    decoded = [array for array in arrays if array is not None]
    if len(decoded) == len(sets) and len({array.shape[1:] for array in decoded}) == 1:
        pixels: Pixels = ArrayPixels(np.concatenate(decoded))
    else:
        place = [np.stack([np.full(len(one), number), one.rows], axis=1) for number, one in enumerate(sets)]
        pixels = JoinedPixels(tuple(one.pixels for one in sets), np.concatenate(place))
    return ImageSet(
        name=name,
        classes=first.classes,
        ids=np.concatenate([one.ids for one in sets]),
        labels=np.concatenate([one.labels for one in sets]),
        pixels=pixels,
        rows=np.arange(sum(map(len, sets))),
        columns={key: np.concatenate([one.columns[key] for one in sets]) for key in sorted(shared)},
        mirror=all(one.mirror for one in sets),
        skipped=tuple(skipped for one in sets for skipped in one.skipped),
    )


def encode_png(images: ImageSet, ids: Iterable[str]) -> dict[str, bytes]:
    """Return the PNG file of each named image, for a page that shows them.

    Raises:
        InputError: If an id is not in the set.
    """
    place = {str(name): i for i, name in enumerate(images.ids)}
    found = {}
    for name in ids:
        if name not in place:
            raise InputError(f"{images.name} has no sample {str(name)!r}.{checks.nearest(str(name), place)}")
        buffer = io.BytesIO()
        Image.fromarray(images.image(place[name])).save(buffer, format="PNG")
        found[str(name)] = buffer.getvalue()
    return found
