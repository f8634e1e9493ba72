"""Views that a plan is handed: vectors of frozen encoders for every split, computed once, and streams over them."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import data, inference
from modelheir.checks import InputError
from modelheir.embeddings import read_facts
from modelheir.embeddings.facts import NAME
from modelheir.models import encoders
from modelheir.types import Outputs

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.methods.given.data import Data
    from modelheir.models.encoders import Encoder
    from modelheir.types import Batch, Stream

__all__ = ["Views", "encoder_address", "is_stored", "open_encoder", "open_views"]


_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


@dataclasses.dataclass(frozen=True)
class Views:
    """Vectors of every split, a view an encoder."""

    encoders: tuple[Mapping[str, Any], ...]  #: of each view ``address``, ``fingerprint`` and ``image_size``
    sets: Mapping[str, data.VectorSet]  #: split -> vectors; the labels are the splits'
    known: Data  #: the images that they are of, and how they are read

    def __len__(self) -> int:
        return len(self.encoders)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers in a vector of each view."""
        return self.sets["train"].widths

    def stream(
        self,
        vectors: data.VectorSet,
        *,
        train: bool,
        split: str = "",
        batch_size: int = 0,
        extra: Mapping[str, Tensor] | None = None,
    ) -> Stream:
        """Return a stream over vectors, whose batches hold a tuple with a tensor ``(N, D)`` a view.

        What fits ``inputs.resident_gib`` lives on the device; the rest is read row by row.

        Args:
            vectors: Samples.
            train: Shuffle and leave out the last incomplete batch.
            split: Name of the split.
            batch_size: Over all processes; 0: the run's.
            extra: Stored values a sample.
        """
        known = self.known
        given: dict[str, Any] = {
            "batch_size": batch_size or known.batch_size, "train": train, "split": split, "extra": extra,
            "seed": known.seed, "device": known.runtime.device, "rank": known.runtime.rank,
            "world": known.runtime.world,
        }  # fmt: skip
        if 4 * len(vectors) * sum(vectors.widths) > known.inputs.resident_gib * 2**30:
            return data.vector_stream(vectors, **given)
        import torch

        views = tuple(torch.from_numpy(view) for view in vectors.read(np.arange(len(vectors))))
        return data.tensor_stream(
            views, vectors.labels, ids=[str(one) for one in vectors.ids], classes=vectors.classes,
            columns=vectors.columns, **given,
        )  # fmt: skip

    def evaluation(self) -> dict[str, Stream]:
        """Return the streams that everything is evaluated on: ``val`` chooses, the others report."""
        return {
            name: self.stream(self.sets[name], train=False, split=name) for name in ("val", "test") if name in self.sets
        }


def open_views(
    addresses: Sequence[str],
    known: Data,
    *,
    size: int = 0,
    say: Callable[[str], None] = _say,
    tuned: Mapping[str, tuple[Encoder, str]] | None = None,
) -> Views:
    """Return the views of every split of ``known``: read from folders of ``modelheir embed``, else computed here.

    Args:
        addresses: One a view: a folder, or an encoder as :func:`modelheir.models.encoders.load_encoder` takes.
        known: The images.
        size: Pixels a side that encoders see; 0 is each one's own. Views cut from the pixels see the data's.
        say: Takes a line a view that is computed.
        tuned: Address -> the encoder of it that was trained for this run, and how; it is computed here.

    Raises:
        InputError: If an address is neither, two views are of one encoder, a folder lacks samples, or an encoder gives
            what is no number.
    """
    share, told, trained = known.inputs.max_bad_share, [], tuned or {}
    sets: dict[str, list[data.VectorSet]] = {name: [] for name in known.splits}
    loaded = {
        one: open_encoder(one, known, size=size) for one in addresses if one not in trained and not is_stored(one)
    }  # all of them, before anything is computed
    for address in addresses:
        if address not in loaded and address not in trained:
            stored = data.view_sets([address], known.splits, max_missing_share=share)
            told.append(dict(read_facts(Path(address)).encoder))
        else:
            encoder, how = trained[address] if address in trained else (loaded.pop(address), "")
            images = sum(map(len, known.splits.values()))
            keep = f"tuned by {how}" if how else "`modelheir embed` would keep them"
            say(f"{address}: {images:,} images to vectors of {encoder.width:,}; {keep}")
            stored = {name: _encoded(encoder, known, name) for name in known.splits}
            found = {"fingerprint": encoder.fingerprint, "image_size": encoder.asked_size}
            told.append({"address": encoder.address, **found, **({"tuned": how} if how else {})})
        for name, vectors in stored.items():
            sets[name].append(vectors)
    same = {one["fingerprint"]: one["address"] for one in told}
    if len(same) < len(told):
        raise InputError(
            f"{len(told)} views are of {len(same)} encoders ({', '.join(same.values())}): a view that is there twice "
            "teaches nothing new."
        )
    joined = {name: data.join_views(some, max_missing_share=share) for name, some in sets.items()}
    return Views(tuple(told), joined, known)


def is_stored(address: str) -> bool:
    """Tell whether a view is a folder that ``modelheir embed`` wrote, and no encoder."""
    return (Path(address) / NAME).is_file()


def encoder_address(address: str) -> str:
    """Return the address of a view's encoder, which a folder says.

    Raises:
        InputError: If the folder is damaged.
    """
    return str(read_facts(Path(address)).encoder["address"]) if is_stored(address) else address


def open_encoder(address: str, known: Data, *, size: int = 0) -> Encoder:
    """Return the encoder of a view on the run's device; of a folder the one that wrote it.

    Args:
        address: Of the view.
        known: The images.
        size: Pixels a side that encoders see; 0 is each one's own. Of a folder those that it was written with.

    Raises:
        InputError: If there is no such encoder, or it is no longer the one that wrote the folder.
    """
    facts = read_facts(Path(address)).encoder if is_stored(address) else None
    place = address if facts is None else str(facts["address"])
    if facts is not None:
        size = int(facts["image_size"])
    elif address.startswith("pixels:"):
        size = known.image_size
    encoder = encoders.load_encoder(place, image_size=size, device=known.runtime.device)
    if facts is not None and encoder.fingerprint != facts["fingerprint"]:
        raise InputError(
            f"{address} holds vectors of another {place} than is found there now (its weights or its preparation of "
            "images differ): compute the view again with `modelheir embed`."
        )
    return encoder


def _encoded(encoder: Encoder, known: Data, split: str) -> data.VectorSet:
    """Return what an encoder makes of a split's images, in their order; images that cannot be read have no row."""
    stream = known.stream(split, train=False)

    def run(batch: Batch) -> Outputs:
        found = encoder(batch.inputs)
        return Outputs(found[:, :1], found)  # nothing is classified

    found = inference.predict_stream(run, stream, known.runtime, features=True)
    assert found.features is not None
    broken = np.flatnonzero(~np.isfinite(found.features).all(1))
    if len(broken):
        raise InputError(
            f"{encoder.address} gives numbers that are not finite for {len(broken):,} images of {split}, such as "
            f"{found.sample_id[broken[0]]}: it does not suit these images."
        )
    return data.VectorSet(
        f"{encoder.address} {split}", known.classes, found.sample_id, found.label, (found.features,),
        np.arange(len(found))[:, None], found.columns,
    )  # fmt: skip
