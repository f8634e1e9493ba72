"""Run encoders over the shards that their views still lack: each image is decoded once for all of one image size."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from modelheir import data as datasets
from modelheir.checks import InputError
from modelheir.data.images import ArrayPixels, Pixels
from modelheir.embeddings import ViewFacts, is_finished, write_shard
from modelheir.embeddings.shards import check_shard
from modelheir.printable import shorten

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.config.inputs import InputConfig
    from modelheir.data import ImageSet
    from modelheir.inference import Runtime
    from modelheir.models.encoders import Encoder
    from modelheir.types import Progress

__all__ = ["Work", "are_squares", "compute"]


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """One encoder, the folder of its view, and which shards are to be computed."""

    encoder: Encoder
    folder: Path
    facts: ViewFacts
    inputs: InputConfig  #: resolved: the size of the squares that it is shown
    stretch: bool  #: whether a square is the whole image, its sides brought to one length, or its middle
    todo: frozenset[int]


def compute(works: Sequence[Work], images: ImageSet, *, batch_size: int, runtime: Runtime, progress: Progress) -> None:
    """Write the shards of views whose encoders see the same squares, shard after shard.

    A shard begins a batch, so that its vectors do not depend on which shards a process computes besides. Nothing is
    read back from the device before a shard ends.

    Args:
        works: Of equal ``inputs``, ``stretch``, precision and ``facts.shard_images``.
        images: All images of the view, in its order.
        batch_size: Images a forward pass; divides ``shard_images``.
        runtime: The device.
        progress: What a person watches.

    Raises:
        InputError: If too many images cannot be decoded, or an encoder gives no finite numbers.
    """
    import torch

    numbers = sorted(set[int]().union(*(work.todo for work in works)))
    if not numbers:
        return
    facts = works[0].facts
    part = images.subset(np.concatenate([np.asarray(facts.shard(number)) for number in numbers]))
    part, config = _squares(part, works[0])
    stream: Any = datasets.make_stream(
        part, config=config, batch_size=batch_size, train=False, seed=0, device=runtime.device
    )
    for work in works:
        work.encoder.to(runtime.device)
    names = ", ".join(work.facts.encoder["address"] for work in works)
    progress.stage(f"{names}: {len(part):,} images", len(stream))
    ends = np.cumsum([len(facts.shard(number)) for number in numbers])
    said: list[tuple[Tensor, list[Tensor | None]]] = []  #: of the shard that is being shown: rows, and vectors a work
    lost = _lost(works[0])
    at = seen = 0

    def end_shards() -> None:
        """Write the shards of which every image was shown or cannot be decoded."""
        nonlocal at, lost
        while at < len(numbers) and seen + len(getattr(stream, "skipped", ())) >= ends[at]:
            length = len(facts.shard(numbers[at]))
            ids = part.ids[ends[at] - length : ends[at]]
            rows = torch.cat([index for index, _ in said]).cpu().numpy() - (ends[at] - length) if said else []
            missing = np.setdiff1d(np.arange(length), rows)
            lost += len(missing)
            _accept_lost(images, lost, ids[missing], works[0].inputs.max_bad_share)
            for place, work in enumerate(works):
                if numbers[at] in work.todo:
                    vectors = np.zeros((length, work.facts.width), dtype=np.float32)
                    if told := [one for _, found in said if (one := found[place]) is not None]:
                        vectors[rows] = torch.cat(told).float().cpu().numpy()
                    write_shard(work.folder, work.facts, numbers[at], vectors, ids, missing)
            said.clear()
            at += 1

    with torch.inference_mode(), runtime.autocast(facts.preprocessing["precision"]):
        for batch in stream.epoch(0):
            end_shards()  # where the last images of one cannot be decoded, nothing of it comes any more
            found = [work.encoder(batch.inputs) if numbers[at] in work.todo else None for work in works]
            said.append((batch.index, found))
            seen += len(batch)
            progress.advance(len(batch))
            end_shards()
        end_shards()
    progress.close()
    for work in works:
        work.encoder.to("cpu")


def _lost(work: Work) -> int:
    """Return how many images could not be decoded in the shards that are written."""
    done = [number for number in range(work.facts.shards) if is_finished(work.folder, work.facts, number)]
    return sum(len(check_shard(work.folder, work.facts, number).missing) for number in done if number not in work.todo)


def _accept_lost(images: ImageSet, lost: int, newly: np.ndarray, share: float) -> None:
    """Refuse more undecodable images than a share of all, whichever part of them this process shows."""
    if len(newly) and lost > share * len(images):
        some = ", ".join(repr(shorten(str(name))) for name in newly[:3]) + (", ..." if len(newly) > 3 else "")
        raise InputError(
            f"{images.name}: {lost} of {len(images)} images cannot be decoded (now {some}), over the share "
            f"inputs.max_bad_share = {share:g}: mend or remove them, or raise it."
        )


@dataclasses.dataclass(frozen=True, eq=False)
class _Stretched:
    """Images brought to a square without keeping the aspect ratio, where they are read."""

    pixels: Pixels
    side: int

    def read(self, row: int, name: str) -> np.ndarray:
        """Return uint8 ``(side, side, 3)``."""
        image = Image.fromarray(self.pixels.read(row, name))
        return np.asarray(image.resize((self.side, self.side), Image.Resampling.BILINEAR))

    def size(self, row: int, name: str) -> tuple[int, int]:
        """Return ``(side, side)``."""
        return self.side, self.side


def are_squares(images: ImageSet, inputs: InputConfig) -> bool:
    """Tell whether images are decoded already and of the size that is shown: nothing is to be done to them."""
    size = (inputs.image_size, inputs.image_size)
    return isinstance(images.pixels, ArrayPixels) and inputs.resize == inputs.image_size and images.size(0) == size


def _squares(images: ImageSet, work: Work) -> tuple[ImageSet, InputConfig]:
    """Return images and settings that give an encoder its squares, decoded on the way, as each is shown only once."""
    if are_squares(images, work.inputs):
        return images, work.inputs
    if work.stretch:
        images = dataclasses.replace(images, pixels=_Stretched(images.pixels, work.inputs.image_size))
    return images, dataclasses.replace(work.inputs, loader="streaming", max_bad_share=1.0)  # counted over all, here
