"""Score images by a teacher: each image is decoded once, for its marks and for the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from modelheir.assemble.prediction import predict_images
from modelheir.checks import InputError
from modelheir.data.images import ImageSet
from modelheir.data.verify import each
from modelheir.metrics.confidence import softmax
from modelheir.selection.marks import content_digest, perceptual_hash, thumbnail
from modelheir.selection.shards import Scored

if TYPE_CHECKING:
    from modelheir.assemble.selecting.settings import SelectConfig
    from modelheir.models import Classifier

__all__ = ["Bad", "score_images"]

_CHUNK = 4096  #: images that are held decoded
Bad = dict[str, str]  #: id of an image that cannot be decoded -> why


@dataclasses.dataclass(frozen=True, eq=False)
class _Held:
    """Decoded images of any sizes."""

    arrays: list[np.ndarray]

    def read(self, row: int, name: str) -> np.ndarray:
        """Return the image."""
        return self.arrays[row]

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Return ``(H, W)``."""
        height, width, _ = self.arrays[row].shape
        return height, width


def score_images(
    network: Classifier,
    images: ImageSet,
    *,
    to_data: np.ndarray,
    kept: int,
    config: SelectConfig,
    advance: Callable[[int], None] | None = None,
) -> tuple[Scored, Bad]:
    """Run the teacher over images.

    Args:
        network: The teacher.
        images: The images; labels and classes do not count.
        to_data: The data's number of each of the teacher's classes, ``(C,)``; -1 where the data lacks it.
        kept: Best classes kept an image.
        config: Device, batch size, precision and how images are read.
        advance: Called with the number of images after each batch.

    Returns:
        A row for each image that can be decoded, in order, and those that cannot. Probabilities are over all of the
        teacher's classes, those that the data lacks too: an image of something else is not made a sure one.

    Raises:
        InputError: If the teacher says something that is not a number.
    """
    parts, bad = [], {}
    for chunk, marks, lost in _decoded(images):
        bad |= lost
        if not len(chunk):
            continue
        found = predict_images(
            network,
            chunk,
            inputs=config.inputs,
            device=config.device,
            batch_size=config.batch_size,
            precision=config.precision,
            features=True,
            advance=advance,
        )
        assert found.logits is not None
        assert found.features is not None
        if not np.isfinite(found.logits).all():
            raise InputError(f"the teacher's outputs are not numbers, first for {found.sample_id[0]!r}: is it trained?")
        chance = softmax(found.logits)
        order = np.argsort(-chance, axis=1, kind="stable")[:, :kept]
        parts.append(
            {
                "sample_id": found.sample_id,
                "classes": to_data[order].astype(np.int32),
                "probabilities": np.take_along_axis(chance, order, axis=1).astype(np.float32),
                "features": found.features.astype(np.float16),
                **marks,
            }
        )
    if not parts:
        return _nothing(kept), bad
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Scored(**{**whole, "sample_id": pa.array(whole["sample_id"].tolist(), pa.string())}), bad


def _decoded(images: ImageSet) -> Iterator[tuple[ImageSet, dict[str, Any], Bad]]:
    """Yield decoded images, chunk by chunk, with their marks and what could not be decoded."""
    for start in range(0, len(images), _CHUNK):
        chunk = images.subset(np.arange(start, min(start + _CHUNK, len(images))))
        arrays: list[Any] = [None] * len(chunk)
        content: list[Any] = [None] * len(chunk)
        small: list[Any] = [None] * len(chunk)
        hashes = np.zeros(len(chunk), dtype=np.uint64)

        def read(i: int, chunk: ImageSet = chunk, arrays=arrays, content=content, small=small, hashes=hashes) -> None:
            image = chunk.image(i)
            content[i], hashes[i], small[i] = content_digest(image), perceptual_hash(image), thumbnail(image)
            arrays[i] = image

        lost = each(chunk, read)
        good = np.array([one is not None for one in arrays], dtype=bool)
        held = [one for one in arrays if one is not None]
        marks = {
            "content": np.array([one for one in content if one is not None], dtype=object),
            "hash": hashes[good],
            "thumbnail": np.stack([one for one in small if one is not None]) if held else np.zeros((0, 1, 1, 3)),
        }
        shown = dataclasses.replace(
            chunk.subset(good), pixels=_Held(held), rows=np.arange(len(held)), classes=(), labels=np.full(len(held), -1)
        )
        yield shown, marks, {str(chunk.ids[row]): reason for row, reason in lost}


def _nothing(kept: int) -> Scored:
    return Scored(
        pa.array([], pa.string()), np.zeros((0, kept), np.int32), np.zeros((0, kept), np.float32),
        np.zeros(0, object), np.zeros(0, np.uint64), np.zeros((0, 1, 1, 3), np.uint8), np.zeros((0, 1), np.float16),
    )  # fmt: skip
