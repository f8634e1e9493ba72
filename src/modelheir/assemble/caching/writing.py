"""Write a shard of a teacher cache: the teachers see the images as training would show them, view by view."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import data as datasets
from modelheir import inference
from modelheir.address import parse_address
from modelheir.assemble.announce import check_teacher
from modelheir.assemble.caching.settings import CacheConfig
from modelheir.assemble.declared import model_digests, open_sources
from modelheir.assemble.destination import check_not_data
from modelheir.checks import InputError, validate
from modelheir.config.run import TrainConfig
from modelheir.engine.progress import make_progress
from modelheir.extras import need_train
from modelheir.methods.declared import SourceUse
from modelheir.methods.given import Data, Teachers
from modelheir.methods.given.pool import with_pool
from modelheir.runs.teacher_cache.manifest import NAME, Manifest, accept_manifest, write_manifest
from modelheir.runs.teacher_cache.shards import Images, is_finished, output_arrays, writing_shard
from modelheir.shard import Shard, parse_shard

if TYPE_CHECKING:
    from modelheir.config.inputs import InputConfig
    from modelheir.data import ImageSet
    from modelheir.inference import Runtime
    from modelheir.models import Ensemble
    from modelheir.types import Outputs, Progress

__all__ = ["write_cache"]

#: settings of images that decide an augmented view
_DECIDE = ("image_size", "augment", "mirror", "crop_pad", "policy_operations", "policy_magnitude", "erase")
_DECIDE_CENTRE = ("image_size", "resize")


def write_cache(config: CacheConfig) -> Path:
    """Write a teacher cache, or one shard of it, and return its folder; what is written already is left as it is.

    Raises:
        InputError: If something the user gave does not fit, or the folder holds a cache with other settings.
    """
    validate(config)
    config.accept()
    need_train("running a teacher")
    runtime, folder, shard = inference.Runtime(config.device), Path(config.out), parse_shard(config.shard)
    runtime.by_main(lambda: _check_place(folder, config))
    known, teachers = _given(config, runtime)
    images = known.splits["train"]
    if shard.of > len(images):
        raise InputError(f"shard = {str(shard)!r}: there are only {len(images):,} images; give fewer shards.")
    teacher = teachers.ensemble(teachers.models, weights=config.policy.weights or None)
    told = _manifest(config, known, teachers, teacher, shard.of)
    if runtime.by_main(lambda: _is_written(folder, shard, told)):
        return folder
    with make_progress(quiet=config.quiet or not runtime.main) as progress:
        check_teacher(teachers, progress.note, allow_weak=config.allow_weak_teacher)
        runtime.by_main(lambda: write_manifest(folder, told))
        rows = np.asarray(shard.rows(len(images)))
        part = dataclasses.replace(known, splits={"train": images.subset(rows)}, stores={})
        _write(folder, shard, told, part, teacher, progress)
    return folder


def _check_place(folder: Path, config: CacheConfig) -> None:
    """Refuse a folder that holds something else, or that is data."""
    for source in filter(None, (config.data, config.unlabelled)):
        check_not_data(folder, source)
    if folder.exists() and not (folder / NAME).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--out {folder} holds other files and no teacher cache: give a new folder.")


def _given(config: CacheConfig, runtime: Runtime) -> tuple[Data, Teachers]:
    """Return the images, as ``train distill`` reads them, and the teachers."""
    for address in config.teacher:
        parse_address(address).need_model()
    splits = datasets.open_splits(config.data, config.inputs)
    inputs = datasets.resolve(config.inputs, splits["train"])
    inputs = dataclasses.replace(inputs, augment_seed=inputs.augment_seed or 0)
    known = Data(splits, inputs, config.batch_size, 0, runtime, view_cycle=config.views)
    precision = "fp32" if config.policy.precision == "auto" else config.policy.precision
    teachers = Teachers(
        tuple(config.teacher),
        known,
        precision=precision,
        weights=tuple(config.policy.weights),
        class_rule=config.classes,
        flag="--teacher",
        policy=config.policy,
    )
    if config.unlabelled:
        run = TrainConfig(data=config.data, inputs=inputs, classes=config.classes)
        use = SourceUse(config.unlabelled, labelled=False, flag="--unlabelled")
        pool = dataclasses.replace(known, splits=open_sources({"pool": use}, run, known.classes)["pool"], stores={})
        known = with_pool(known, pool, flag="--unlabelled")
    return known, teachers


def _is_written(folder: Path, shard: Shard, told: Manifest) -> bool:
    """Tell whether a shard is there; refuse a folder with a cache of other settings."""
    if not (folder / NAME).is_file():
        return False
    accept_manifest(folder, told)
    return is_finished(folder, shard)


def _manifest(config: CacheConfig, known: Data, teachers: Teachers, teacher: Ensemble, shards: int) -> Manifest:
    """Say what decides the content of the cache."""
    inputs, images = known.inputs, known.splits["train"]
    names = (*_DECIDE, "augment_seed") if config.views else _DECIDE_CENTRE
    if config.top_k >= len(teacher.classes):
        raise InputError(f"top_k = {config.top_k}: the teachers know {len(teacher.classes)} classes; 0 keeps them all.")
    ids = hashlib.sha256()
    for name in images.ids:
        ids.update(str(name).encode("utf-8", "surrogatepass") + b"\0")
    digests = model_digests(config.teacher)
    return Manifest(
        shards=shards,
        images=len(images),
        ids=ids.hexdigest(),
        classes=teacher.classes,
        teachers=tuple(
            {"address": address, "weight": weight, "files": digests[address]}
            for address, weight in zip(config.teacher, teacher.weights, strict=True)
        ),
        policy={"average": teacher.average, "batch_norm": "eval", "precision": teacher.precision},
        kind="crops" if config.views else "centre",
        views=config.views or 1,
        inputs={name: getattr(inputs, name) for name in names},
        dtype=config.dtype,
        top_k=config.top_k,
        features=teacher.feature_size if config.features else 0,
    )


def _write(folder: Path, shard: Shard, told: Manifest, known: Data, teacher: Ensemble, progress: Progress) -> None:
    """Look at the images of a shard, run the teachers over every view, and write what they say."""
    runtime = known.runtime
    images, looked = _look(known.splits["train"], known.inputs)
    known = dataclasses.replace(known, splits={"train": images})
    crops = told.kind == "crops"
    stream = known.stream(train=crops, shuffle=False, drop_last=False)
    teacher.to(runtime.device)
    progress.stage(f"shard {shard} of {folder}", told.views * len(stream))
    layout = output_arrays(told, len(images))
    drawn = _drawn(known.inputs, looked, told.views) if crops else {}
    layout |= {name: (values.shape, values.dtype) for name, values in drawn.items()}

    def views() -> Any:
        for view in range(told.views):
            yield view, _run(teacher, stream, view, told, runtime, progress)

    if not runtime.main:
        for _ in views():
            pass
        runtime.wait()
        return
    with writing_shard(folder, shard, looked, layout) as arrays:
        for name, values in drawn.items():
            arrays[name][:] = values
        for view, found in views():
            for name, values in found.items():
                arrays[name][view] = values
    runtime.wait()


def _look(images: ImageSet, inputs: InputConfig) -> tuple[ImageSet, Images]:
    """Decode every image once: its size and digest; those that cannot be decoded are left out."""
    pixels, sizes = np.zeros(len(images), np.uint64), np.zeros((len(images), 2), np.int32)

    def look(row: int) -> None:
        picture = images.image(row)
        pixels[row], sizes[row] = datasets.picture_digest(picture), picture.shape[:2]

    bad = datasets.verify.each(images, look)
    kept = datasets.verify.skip(images, bad, inputs)
    rows = np.delete(np.arange(len(images)), [row for row, _ in bad])
    skipped = tuple(str(images.ids[row]) for row, _ in bad)
    if not len(rows):
        raise InputError(f"{images.name}: no image of this shard can be decoded.")
    return kept, Images(kept.ids, pixels[rows], sizes[rows], skipped)


def _drawn(inputs: InputConfig, images: Images, views: int) -> dict[str, np.ndarray]:
    """Return what is drawn for each view, so that other programs can cut the same crops."""
    augment = datasets.Augment(inputs, train=True, seed=inputs.augment_seed or 0)
    keys = datasets.sample_keys(images.ids)
    each = [augment.draw(keys, view, sizes=images.sizes) for view in range(views)]
    types = {"flipped": np.bool_, "operations": np.float32}
    return {name: np.stack([one[name] for one in each]).astype(types.get(name, np.int32)) for name in each[0]}


def _run(
    teacher: Ensemble, stream: Any, view: int, told: Manifest, runtime: Runtime, progress: Progress
) -> dict[str, np.ndarray]:
    """Return what the teachers say of one view, each array in the order of the stream's images, on every process."""
    import torch

    empty = {name: np.empty((0, *shape[2:]), dtype) for name, (shape, dtype) in output_arrays(told, 0).items()}
    parts = {name: [torch.from_numpy(one).to(runtime.device)] for name, one in empty.items()}
    index = [torch.empty(0, dtype=torch.int64, device=runtime.device)]
    for batch in stream.epoch(view):
        index.append(batch.index)
        for name, values in _packed(teacher(batch), told).items():
            parts[name].append(values)
        progress.advance(len(batch))
    rows = runtime.gather_rows(torch.cat(index)).cpu().numpy()
    unique, place = np.unique(rows, return_index=True)
    if len(unique) != len(stream.ids):
        raise InputError(
            f"{len(stream.ids) - len(unique)} images could be decoded before and cannot now: are they being changed?"
        )
    return {name: runtime.gather_rows(torch.cat(one)).cpu().numpy()[place] for name, one in parts.items()}


def _packed(found: Outputs, told: Manifest) -> dict[str, Any]:
    """Return outputs as they are stored."""
    import torch

    dtype = getattr(torch, told.dtype)
    kept: dict[str, Any] = {}
    if told.top_k:
        said = found.logits.float().log_softmax(1)
        order = said.sort(dim=1, descending=True, stable=True).indices
        classes, rest = order[:, : told.top_k], order[:, told.top_k :]
        left = said.gather(1, rest).logsumexp(1, keepdim=True)
        kept = {"top_classes": classes.int(), "log_probabilities": torch.cat([said.gather(1, classes), left], 1)}
    else:
        kept["logits"] = found.logits
    if told.features:
        kept["features"] = found.features
    limit = torch.finfo(dtype).max
    return {
        name: values.clamp(-limit, limit).to(dtype) if values.is_floating_point() else values
        for name, values in kept.items()
    }
