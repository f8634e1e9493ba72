"""What encoders are to see: the images of all splits, and how each encoder is shown them; and the facts of its view."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from modelheir import data as datasets
from modelheir.address import MODEL_KINDS, parse_encoder
from modelheir.assemble.embedding.settings import EmbedConfig
from modelheir.assemble.run_settings import own_inputs
from modelheir.checks import InputError
from modelheir.embeddings import Rows, ViewFacts, rows_digest
from modelheir.models import encoders
from modelheir.runs.files import to_json

if TYPE_CHECKING:
    from modelheir.config.inputs import InputConfig
    from modelheir.data import ImageSet
    from modelheir.models.encoders import Encoder

__all__ = ["Seen", "load", "open_images", "prepares_itself", "shown", "view_facts"]


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """All images of a data set, in one order."""

    images: ImageSet
    rows: Rows
    data: Mapping[str, str]  #: address and digests


def open_images(config: EmbedConfig) -> Seen:
    """Open the images of all splits, by sample id: how they are split does not change what is computed."""
    splits = datasets.open_splits(config.data, config.inputs, labelled=False)
    whole = datasets.join_sets(list(splits.values()), name=config.data)
    names = np.concatenate([np.full(len(images), name) for name, images in splits.items()])
    order = np.argsort(whole.ids, kind="stable")
    whole = whole.subset(order)
    found = datasets.fingerprint(whole)
    data = {"address": config.data, "content": found["content"], "pixels": found["pixels"]}
    return Seen(whole, Rows(whole.ids, whole.labels, names[order]), data)


def load(address: str, config: EmbedConfig, images: ImageSet) -> Encoder:
    """Load an encoder; a part of the pixels is one of the images in their own size."""
    size = config.inputs.image_size
    if parse_encoder(address).kind == "pixels":
        size = datasets.resolve(config.inputs, images).image_size
    return encoders.load_encoder(address, image_size=size, device="cpu")


def prepares_itself(address: str) -> bool:
    """Tell whether an encoder brings its own way of resizing; a classifier sees images as in evaluation."""
    return parse_encoder(address).kind not in MODEL_KINDS


def shown(encoder: Encoder, config: EmbedConfig, images: ImageSet) -> InputConfig:
    """Return how images are shown to an encoder: stretched to its own square, or the middle as in evaluation.

    Raises:
        InputError: If ``inputs.resize`` is given for an encoder that resizes in its own way.
    """
    side = resize = encoder.preparation.resize
    if not prepares_itself(encoder.address):
        own = own_inputs(encoder.address)
        resize = config.inputs.resize or (own.resize if own and own.image_size in (0, side) else 0)
    elif config.inputs.resize:
        raise InputError(
            f"inputs.resize = {config.inputs.resize}: {encoder.address} stretches images to {side} pixels a side "
            "itself; leave it out."
        )
    inputs = dataclasses.replace(config.inputs, image_size=side, resize=resize, augment="none", mirror=None)
    return datasets.resolve(inputs, images)


def view_facts(config: EmbedConfig, seen: Seen, encoder: Encoder, inputs: InputConfig, precision: str) -> ViewFacts:
    """Say what decides the content of a view."""
    return ViewFacts(
        encoder={
            "address": encoder.address,
            "fingerprint": encoder.fingerprint,
            "image_size": encoder.asked_size,
        },
        preprocessing={
            "fit": "stretch" if prepares_itself(encoder.address) else "centre",
            "resize": inputs.resize,
            "crop": inputs.image_size,
            "encoder": to_json(dataclasses.asdict(encoder.preparation)),
            "precision": precision,
        },
        data=seen.data,
        rows=rows_digest(seen.rows),
        classes=seen.images.classes,
        count=len(seen.images),
        width=encoder.width,
        dtype=config.dtype,
        shard_images=config.shard_images,
    )
