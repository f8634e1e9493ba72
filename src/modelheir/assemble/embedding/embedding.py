"""Compute views: every image of a data set, seen once by frozen encoders, and kept by sample id."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modelheir import data as datasets
from modelheir import inference
from modelheir.address import parse_encoder
from modelheir.assemble.destination import check_not_data
from modelheir.assemble.embedding.computing import Work, compute
from modelheir.assemble.embedding.settings import EmbedConfig
from modelheir.assemble.run_settings import own_inputs
from modelheir.checks import InputError, validate
from modelheir.embeddings import Rows, ViewFacts, accept_facts, is_finished, rows_digest, write_facts
from modelheir.embeddings.facts import NAME
from modelheir.embeddings.rows import write_rows
from modelheir.embeddings.stored import missing_shards
from modelheir.engine.progress import make_progress
from modelheir.extras import need_train
from modelheir.models import encoders
from modelheir.runs import owner_of
from modelheir.runs.lock import locked
from modelheir.shard import Shard, parse_shard

if TYPE_CHECKING:
    from modelheir.config.inputs import InputConfig
    from modelheir.data import ImageSet
    from modelheir.models.encoders import Encoder

__all__ = ["Embedded", "embed", "view_name"]


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A view, as far as it is computed."""

    folder: Path
    facts: ViewFacts
    computed: int  #: shards that this call wrote
    missing: tuple[int, ...]  #: shards that are not written yet


def embed(config: EmbedConfig) -> tuple[Embedded, ...]:
    """Compute the views of a data set, or one part of them; shards that are written already are left as they are.

    Returns:
        One a view, in the order of the encoders.

    Raises:
        InputError: If something the user gave does not fit, or a folder holds another view; before anything is written.
    """
    validate(config)
    config.accept()
    need_train("running an encoder")
    runtime, shard = inference.Runtime(config.device), parse_shard(config.shard)
    folders = _folders(config)
    runtime.by_main(lambda: _check_places(config, folders))
    images, rows = _images(config)
    loaded = {address: _load(address, config, images) for address in config.encoder}
    precision = config.precision
    if precision == "auto":
        precision = "fp16" if runtime.device.type == "cuda" else "fp32"
    data = {"address": config.data, **_prints(images)}
    views = []
    for address, encoder in loaded.items():
        inputs = _shown(encoder, config, images)
        views.append(
            (folders[address], encoder, inputs, _facts(config, encoder, inputs, precision, data, images, rows))
        )
    files = views[0][3].shards
    if shard.of > files:
        raise InputError(
            f"shard = {str(shard)!r}: {len(images):,} images make {files} file{'s' if files > 1 else ''} of "
            f"{config.shard_images:,}: give fewer parts, or a smaller --shard_images."
        )
    for folder, _, _, facts in views:
        if (folder / NAME).is_file():
            accept_facts(folder, facts)
    works = [
        Work(encoder, folder, facts, inputs, frozenset(_todo(folder, facts, shard)[runtime.rank :: runtime.world]))
        for folder, encoder, inputs, facts in views
    ]
    with contextlib.ExitStack() as held, make_progress(quiet=config.quiet or not runtime.main) as progress:
        for folder, _, _, facts in views:
            runtime.by_main(lambda folder=folder, facts=facts: _begin(held, folder, shard, facts, rows))
        for group in _alike(works):
            compute(
                group,
                images,
                batch_size=config.batch_size,
                precision=precision,
                runtime=runtime,
                progress=progress,
            )
        runtime.wait()
    return tuple(
        Embedded(work.folder, work.facts, len(work.todo), tuple(missing_shards(work.folder, work.facts)))
        for work in works
    )


def view_name(address: str) -> str:
    """Return the name of an encoder's folder.

    >>> view_name("timm:vit_small_patch14_dinov2.lvd142m"), view_name("run:runs/v1")
    ('timm-vit_small_patch14_dinov2.lvd142m', 'run-runs-v1')
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", address).strip("-.") or "view"


def _folders(config: EmbedConfig) -> dict[str, Path]:
    found = {address: Path(config.out) / view_name(address) for address in config.encoder}
    for address, folder in found.items():
        if others := [one for one, there in found.items() if there == folder and one != address]:
            raise InputError(
                f"--encoder {address} and {others[0]} would share the folder {folder}: give each an --out."
            )
    return found


def _check_places(config: EmbedConfig, folders: Mapping[str, Path]) -> None:
    """Refuse folders that hold something else than views, or that lie in data or in a run."""
    out = Path(config.out)
    check_not_data(out, config.data)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: give a folder.")
    for folder in folders.values():
        if (run := owner_of(folder)) is not None:
            raise InputError(f"--out {out} is for the files of the run in {run}: choose another folder.")
        if folder.exists() and not (folder / NAME).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} holds other files and no view: give another --out.")


def _images(config: EmbedConfig) -> tuple[ImageSet, Rows]:
    """Return the images of all splits, by sample id: how they are split does not change what is computed."""
    splits = datasets.open_splits(config.data, config.inputs, labelled=False)
    whole = datasets.join_sets(list(splits.values()), name=config.data)
    names = np.concatenate([np.full(len(images), name) for name, images in splits.items()])
    order = np.argsort(whole.ids, kind="stable")
    whole = whole.subset(order)
    return whole, Rows(whole.ids, whole.labels, names[order])


def _prints(images: ImageSet) -> dict[str, str]:
    found = datasets.fingerprint(images)
    return {"content": found["content"], "pixels": found["pixels"]}


def _load(address: str, config: EmbedConfig, images: ImageSet) -> Encoder:
    """Load an encoder; a part of the pixels is one of the images as they are."""
    size = config.inputs.image_size
    if parse_encoder(address).kind == "pixels":
        size = datasets.resolve(config.inputs, images).image_size
    return encoders.load_encoder(address, image_size=size, device="cpu")


def _shown(encoder: Encoder, config: EmbedConfig, images: ImageSet) -> InputConfig:
    """Return how images are shown to an encoder: squares of the size that it crops itself, or that it sees whole."""
    side = encoder.preparation.resize
    own = own_inputs(encoder.address)
    resize = config.inputs.resize or (own.resize if own and own.image_size in (0, side) else 0)
    if side > encoder.preparation.crop or parse_encoder(encoder.address).kind == "pixels":
        resize = config.inputs.resize or side
    return datasets.resolve(
        dataclasses.replace(config.inputs, image_size=side, resize=resize, augment="none", mirror=None), images
    )


def _facts(
    config: EmbedConfig,
    encoder: Encoder,
    inputs: InputConfig,
    precision: str,
    data: Mapping[str, str],
    images: ImageSet,
    rows: Rows,
) -> ViewFacts:
    """Say what decides the content of a view."""
    return ViewFacts(
        encoder={
            "address": encoder.address,
            "fingerprint": encoder.fingerprint,
            "image_size": encoder.asked_size,
        },
        preprocessing={
            "resize": inputs.resize,
            "crop": inputs.image_size,
            "encoder": dataclasses.asdict(encoder.preparation),
            "precision": precision,
        },
        data=data,
        rows=rows_digest(rows),
        classes=images.classes,
        count=len(images),
        width=encoder.width,
        dtype=config.dtype,
        shard_images=config.shard_images,
    )


def _todo(folder: Path, facts: ViewFacts, shard: Shard) -> list[int]:
    return [number for number in shard.rows(facts.shards) if not is_finished(folder, facts, number)]


def _begin(held: contextlib.ExitStack, folder: Path, shard: Shard, facts: ViewFacts, rows: Rows) -> None:
    """Take a part of a view, and say in its folder what the view is."""
    _lock(held, folder, shard)
    write_facts(folder, facts)
    write_rows(folder, facts, rows)


def _lock(held: contextlib.ExitStack, folder: Path, shard: Shard) -> None:
    """Hold a part of a view until the end, so that two equal commands do not compute it at once.

    Raises:
        InputError: If another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.enter_context(locked(shard.file(folder, ".part", "lock")))
    except BlockingIOError as error:
        raise InputError(f"{folder}: another process is computing part {shard}: wait for it.") from error
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}. Choose another --out.") from error


def _alike(works: list[Work]) -> list[list[Work]]:
    """Group encoders that see the same squares, in order."""
    groups: dict[InputConfig, list[Work]] = {}
    for work in works:
        groups.setdefault(work.inputs, []).append(work)
    return list(groups.values())
