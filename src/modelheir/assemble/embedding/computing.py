"""Run encoders over the shards that their views still lack: each image is decoded once for all of one image size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from modelheir import data as datasets
from modelheir.data.images import ArrayPixels, Pixels
from modelheir.embeddings import ViewFacts, write_shard

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
        part,
        config=config,
        batch_size=batch_size,
        train=False,
        seed=0,
        device=runtime.device,
    )
    for work in works:
        work.encoder.to(runtime.device)
    names = ", ".join(work.facts.encoder["address"] for work in works)
    progress.stage(f"{names}: {len(part):,} images", len(stream))
    ends = np.cumsum([len(facts.shard(number)) for number in numbers])
    index: list[Tensor] = []
    found: Mapping[int, list[Tensor]] = {place: [] for place in range(len(works))}
    at = seen = 0

    def end_shards() -> None:
        """Write the shards of which every image was shown or cannot be decoded."""
        nonlocal at
        while at < len(numbers) and seen + len(getattr(stream, "skipped", ())) >= ends[at]:
            number, length = numbers[at], len(facts.shard(numbers[at]))
            rows = torch.cat(index).cpu().numpy() - (ends[at] - length) if index else np.zeros(0, np.int64)
            missing = np.setdiff1d(np.arange(length), rows)
            for place, work in enumerate(works):
                if number not in work.todo:
                    continue
                vectors = np.zeros((length, work.facts.width), dtype=np.float32)
                if found[place]:
                    vectors[rows] = torch.cat(found[place]).float().cpu().numpy()
                write_shard(work.folder, work.facts, number, vectors, part.ids[ends[at] - length : ends[at]], missing)
                found[place].clear()
            index.clear()
            at += 1

    with torch.inference_mode(), runtime.autocast(facts.preprocessing["precision"]):
        for batch in stream.epoch(0):
            end_shards()  # where the last images of one cannot be decoded, nothing of it comes any more
            index.append(batch.index)
            for place, work in enumerate(works):
                if numbers[at] in work.todo:
                    found[place].append(work.encoder(batch.inputs))
            seen += len(batch)
            progress.advance(len(batch))
            end_shards()
        end_shards()
    progress.close()
    for work in works:
        work.encoder.to("cpu")


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
    return images, dataclasses.replace(work.inputs, loader="streaming")
