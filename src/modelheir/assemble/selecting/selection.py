"""Select from a pool: score its shards, drop copies, take the best of each class, write the list and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modelheir.assemble.selecting.choice import choose, write_list
from modelheir.assemble.selecting.copies import Removed, marked, remove_copies, write_removed
from modelheir.assemble.selecting.page import write_page
from modelheir.assemble.selecting.prepared import Prepared, prepare
from modelheir.assemble.selecting.result import Selection
from modelheir.assemble.selecting.scoring import score_images
from modelheir.checks import InputError
from modelheir.config.mapping import to_mapping
from modelheir.extras import need_train
from modelheir.runs.files import write_json
from modelheir.selection.keypoints import has_sift
from modelheir.selection.shards import is_done, read_bad, read_scored, score_file, shards_in, write_scored
from modelheir.shard import Shard, parse_shard

if TYPE_CHECKING:
    from modelheir.assemble.selecting.settings import SelectConfig
    from modelheir.data import ImageSet
    from modelheir.selection.marks import Marked
    from modelheir.types import Progress

__all__ = ["select_images"]

_PART = 20_000  #: images a shard where none is named: what an interruption can lose
_MANY = 0.2  #: share of the pool that is taken for changed copies, above which a person is told to look
_MARKS = ("content", "hash", "thumbnail", "features")
SIFT = "keypoints (SIFT), and the correlation after alignment where there are few of them or the image is tiny"
NO_SIFT = (
    "the correlation after alignment alone, as OpenCV is not installed (pip install 'modelheir[dedup]' brings "
    "keypoints)"
)


def select_images(config: SelectConfig, progress: Progress, *, command: Sequence[str] = ()) -> Selection:
    """Score what is not scored yet; where all shards are there, select.

    Args:
        config: Settings.
        progress: What a person watches.
        command: What was typed, for the page.

    Returns:
        What it came to; the files are in ``config.out``.

    Raises:
        InputError: If something cannot be read or does not fit, or no image is left to select.
    """
    config.need()
    need_train("scoring images")
    ready = prepare(config)
    every = _score(ready, progress)
    waiting = tuple(str(one) for one in every if not is_done(score_file(ready.scores, one), ready.key))
    bad = {name: why for one in every for name, why in read_bad(score_file(ready.scores, one)).items()}
    if waiting:
        return Selection(ready.out, len(ready.pool), bad, waiting=waiting, notes=ready.notes)
    _check_bad(ready, bad)
    files = [score_file(ready.scores, one) for one in every]
    removed = tuple(_remove(ready, files, progress))
    write_removed(ready.out / "removed.parquet", removed)
    gone = [one.sample_id for one in removed]
    if len(gone) + len(bad) == len(ready.pool):
        raise InputError(_all_gone(ready, removed))
    choice = choose(read_scored(files), gone, classes=len(ready.classes), config=config)
    if not choice.chosen:
        raise InputError(
            f"no image of the pool {config.pool} is of a class of the data by the teacher's word: nothing is selected."
        )
    labelled = write_list(ready.out, choice, ready.pool, ready.splits["train"], config=config)
    found = Selection(
        out=ready.out,
        pool=len(ready.pool),
        bad=bad,
        removed=removed,
        classes=choice.counts(ready.classes, labelled),
        chosen=len(choice.chosen),
        labelled=int(labelled.sum()),
        off_topic=choice.off_topic,
        accuracy=_accuracy(ready),
        notes=(*ready.notes, *_many(removed, len(ready.pool)), *choice.notes(ready.classes, config)),
        rules=SIFT if has_sift() else NO_SIFT,
        settings=to_mapping(ready.config),
        top_k=config.top_k,
    )
    write_json(ready.out / "selection.json", found.to_json())
    write_page(found, ready, command=command)
    return found


def _many(removed: Sequence[Removed], pool: int) -> list[str]:
    """Say that so many images are taken for copies that the pairs are to be looked at; nothing where they are few."""
    unsure = sum(one.reason != "exact" for one in removed)
    if unsure <= _MANY * pool:
        return []
    return [
        f"{unsure:,} of {pool:,} images of the pool are taken for copies: look at the pairs on the page. Simple "
        "pictures that are alike without being copies need higher bounds (--dedup.inliers, --dedup.correlation)."
    ]


def _score(ready: Prepared, progress: Progress) -> list[Shard]:
    """Score the shard that is asked for, or all, where they are not scored yet; return all shards there are to be."""
    text = ready.config.shard
    asked, there = parse_shard(text) if text else None, shards_in(ready.scores)
    numbers = {one.of for one in there}
    of = asked.of if asked else max(numbers, default=-(-len(ready.pool) // _PART))
    if numbers - {of}:
        raise InputError(
            f"{ready.scores} holds shards of {', '.join(map(str, sorted(numbers)))}, not of {of}: name one of those, "
            "or give another --out."
        )
    every = [Shard(number, of) for number in range(1, of + 1)]
    for one in [asked] if asked else every:
        path = score_file(ready.scores, one)
        if not is_done(path, ready.key):
            rows = one.rows(len(ready.pool))
            _score_to(path, ready, ready.pool.subset(np.array(rows, dtype=np.int64)), progress, f"score shard {one}")
    return every


def _score_to(path: Path, ready: Prepared, images: ImageSet, progress: Progress, name: str, key=None) -> None:
    progress.stage(name, -(-len(images) // ready.config.batch_size))
    found, bad = score_images(
        ready.network,
        images,
        to_data=ready.match.to_ours,
        kept=ready.kept,
        config=ready.config,
        advance=progress.advance,
    )
    write_scored(path, found, key or ready.key, bad=bad)


def _check_bad(ready: Prepared, bad: Mapping[str, str]) -> None:
    """Require that enough of the pool can be read."""
    most = ready.config.inputs.max_bad_share
    if not bad or (len(bad) <= most * len(ready.pool) and len(bad) < len(ready.pool)):
        return
    some = "; ".join(list(bad.values())[:3]) + ("; ..." if len(bad) > 3 else "")
    if len(bad) == len(ready.pool):
        raise InputError(f"none of the {len(bad)} images of the pool {ready.config.pool} can be decoded ({some}).")
    raise InputError(
        f"{len(bad)} of the {len(ready.pool)} images of the pool {ready.config.pool} cannot be decoded ({some}), over "
        f"the share inputs.max_bad_share = {most:g}: mend or remove them, or raise it."
    )


def _remove(ready: Prepared, files: Sequence[Path], progress: Progress) -> list[Removed]:
    """Find copies of the images of the data, each split scored once, and within the pool."""
    known: dict[str, tuple[Marked, np.ndarray]] = {}
    for split in ("test", "val", "train"):
        if split in ready.splits and (split != "train" or ready.config.dedup.train):
            images, path = ready.splits[split], ready.scores / f"{split}.parquet"
            key = ready.key_of(images)
            if not _holds(path, key):
                _score_to(path, ready, images, progress, f"mark {split} images", key)
            known[split] = marked(read_scored([path], columns=_MARKS), images)
    pool, ids = marked(read_scored(files, columns=_MARKS), ready.pool)
    return remove_copies(
        pool,
        ids,
        known,
        ready.config.dedup,
        sift=has_sift(),
        stage=lambda name, count: progress.stage(name, 0),
        advance=progress.advance,
    )


def _holds(path: Path, key: Mapping[str, object]) -> bool:
    try:
        return is_done(path, key)
    except InputError:  # other data: its marks are made again
        return False


def _all_gone(ready: Prepared, removed: Sequence[Removed]) -> str:
    of = {split: sum(one.partner_split == split for one in removed) for split in ("test", "val", "train", "pool")}
    said = ", ".join(f"{count} of {split} images" for split, count in of.items() if count)
    return (
        f"nothing is left of the pool {ready.config.pool}: its images are copies ({said}), listed in "
        f"{ready.out / 'removed.parquet'}: give a pool of other images."
    )


def _accuracy(ready: Prepared) -> float | None:
    """Return the share of val images that the teacher has right."""
    path, images = ready.scores / "val.parquet", ready.splits["val"]
    label = dict(zip(images.ids.tolist(), images.labels.tolist(), strict=True))
    right = [
        said == label[name]
        for part in read_scored([path])
        for name, said in zip(part.sample_id.to_pylist(), part.classes[:, 0].tolist(), strict=True)
        if label[name] >= 0
    ]
    return float(np.mean(right)) if right else None
