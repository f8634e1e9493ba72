"""What a selection reads: pool, data and teacher, checked against one another; and the key of its scores."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import data as datasets
from modelheir import models
from modelheir.address import parse_address
from modelheir.assemble.declared import model_digests
from modelheir.assemble.destination import check_not_data
from modelheir.assemble.run_settings import own_data
from modelheir.checks import InputError
from modelheir.classes import BY_ORDER_ADVICE, ClassMatch, match_classes

if TYPE_CHECKING:
    from modelheir.assemble.selecting.settings import SelectConfig
    from modelheir.data import ImageSet
    from modelheir.models import Classifier

__all__ = ["SCORES", "Prepared", "prepare"]

SCORES = "scores"  #: folder of the shards, in the folder of the selection
_KEPT = 10  #: best classes kept an image, at least
_OWN = ("manifest.parquet", "removed.parquet", "report.html", "report.table.csv", "selection.json", "images", SCORES)
_READING = ("image_size", "resize", "max_megapixels")  #: settings of ``inputs`` that scores depend on


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """What is read, open."""

    config: SelectConfig
    out: Path
    pool: ImageSet  #: without labels; ids that the data has too begin with "pool/"
    splits: dict[str, ImageSet]
    network: Classifier
    match: ClassMatch  #: ours: the data's classes; theirs: the teacher's
    kept: int  #: best classes kept an image
    key: dict[str, Any]  #: what the scores of the pool depend on
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The data's class list."""
        return self.splits["train"].classes

    @property
    def scores(self) -> Path:
        """The folder of the shards."""
        return self.out / SCORES

    def key_of(self, images: ImageSet) -> dict[str, Any]:
        """Return the key of the scores of other images by the same teacher."""
        return {**self.key, "pool": _print(images)}


def prepare(config: SelectConfig) -> Prepared:
    """Open everything.

    Raises:
        InputError: If something is missing, cannot be read, does not fit the rest, or would be written over.
    """
    source = config.data or own_data([config.teacher])
    config = dataclasses.replace(config, data=source)
    out = Path(config.out)
    _check_place(out, [source, config.pool], config.teacher)
    splits = datasets.open_splits(source, config.inputs)
    pool = datasets.open_pool(config.pool, config.inputs)
    network = models.load(config.teacher)
    match = match_classes(
        splits["train"].classes,
        network.class_list,
        rule=config.classes,
        names=("the data", "the teacher"),
        advice=BY_ORDER_ADVICE,
    )
    notes = []
    if match.in_order and match.ours != match.theirs:
        notes.append(f"Classes of the teacher by order: {match.in_words()}.")
    if match.lacking:
        some = ", ".join(match.lacking[:10]) + (", ..." if len(match.lacking) > 10 else "")
        notes.append(f"The teacher does not know {len(match.lacking)} of the classes, so none is chosen for: {some}.")
    known = np.concatenate([images.ids for images in splits.values()])
    if np.isin(pool.ids, known).any():
        pool = dataclasses.replace(pool, ids=np.char.add("pool/", pool.ids))
        notes.append("Some sample ids of the pool are also ids of the data: all ids of the pool begin with pool/ here.")
    kept = min(len(match.theirs), max(_KEPT, config.classes_per_image))
    key = {
        "teacher": _teacher(config.teacher),
        "pool": _print(pool),
        "way of reading images": {name: getattr(config.inputs, name) for name in _READING},
        "class list": [list(match.ours), match.to_ours.tolist()],
        "number of kept classes": kept,
        "precision": config.precision,
    }
    return Prepared(config, out, pool, splits, network, match, kept, key, tuple(notes))


def _teacher(address: str) -> Any:
    """Return what the files of the teacher hold; the address where a library has them."""
    held = list(model_digests([address]).values())
    return [parse_address(address).stage, *held] if any(held) else address


def _print(images: ImageSet) -> dict[str, Any]:
    found = datasets.fingerprint(images)
    text = json.dumps([found["content"], found["pixels"]])
    return {"images": found["images"], "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _check_place(out: Path, data: Sequence[str], teacher: str) -> None:
    """Refuse a place that is a file, is data or the teacher, or holds things that no selection wrote."""
    for one in data:
        check_not_data(out, one)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: give a folder.")
    address = parse_address(teacher)
    if address.kind in ("run", "file") and address.path.resolve().is_relative_to(out.resolve()):
        raise InputError(f"--out {out} holds the teacher {teacher}: give another --out.")
    if not out.is_dir():
        return
    there = sorted(path.name for path in out.iterdir() if not path.name.endswith(".part"))
    other = [name for name in there if name not in _OWN]
    if there and (other or SCORES not in there):
        some = ", ".join(map(repr, (other or there)[:3])) + (", ..." if len(other or there) > 3 else "")
        raise InputError(f"--out {out} holds other things than a selection ({some}): give another --out.")
