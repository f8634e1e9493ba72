"""A teacher cache as a run uses it: whether it fits the run's data and views, and the teacher of a stream."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from modelheir import data, models
from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.data.decode import DecodeError
from modelheir.methods.given.stored import match_old
from modelheir.models import files
from modelheir.printable import shorten
from modelheir.runs.seal import digest
from modelheir.runs.teacher_cache.manifest import Manifest, read_manifest
from modelheir.runs.teacher_cache.reading import TeacherCache, open_cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelheir.config.inputs import InputConfig
    from modelheir.config.teacher import TeacherConfig
    from modelheir.data import ImageSet
    from modelheir.methods.given.data import Data
    from modelheir.models import StoredViews

__all__ = ["CachedTeacher", "accept_teachers", "caches_in", "open_teacher", "same_views"]

_LOOKS = 256  #: images whose pixels are compared with what the teacher saw


@dataclasses.dataclass(frozen=True, eq=False)
class CachedTeacher:
    """An opened cache that fits a run."""

    address: str
    cache: TeacherCache
    classes: tuple[str, ...]  #: its classes, as the run calls them

    def of(self, images: ImageSet, ids: np.ndarray, inputs: InputConfig) -> StoredViews:
        """Return the teacher of a stream.

        Args:
            images: The split.
            ids: The stream's samples, all of the split.
            inputs: ``max_bad_share`` and ``resident_gib`` count.

        Raises:
            InputError: If the cache lacks a decodable image, or holds one with other pixels.
        """
        rows = self.cache.rows(ids)
        lacking = np.isin(images.ids, ids[rows < 0])
        absent = images.subset(lacking)
        if len(absent):
            may_be_bad = len(absent) <= inputs.max_bad_share * len(images)
            bad = data.verify.each(absent, absent.image) if may_be_bad else []
            if len(bad) < len(absent):
                raise InputError(self._lacks(absent, len(images)))
        self._compare(images.subset(~lacking))
        most = inputs.resident_gib * 2**30
        return models.StoredViews(self.cache, rows, classes=self.classes, most_bytes=most)

    def _lacks(self, absent: ImageSet, count: int) -> str:
        some = ", ".join(map(str, absent.ids[:5])) + (", ..." if len(absent) > 5 else "")
        return (
            f"{self.address} lacks {len(absent):,} of {count:,} training images ({some}): write a cache of these data "
            "with `modelheir cache write`, with the same --data and --unlabelled."
        )

    def _compare(self, images: ImageSet) -> None:
        """Compare the pixels of some images with those that the teacher saw."""
        looks = np.unique(np.linspace(0, len(images) - 1, min(len(images), _LOOKS)).round().astype(int))
        noted = self.cache.pixels[self.cache.rows(images.ids[looks])]
        for row, known in zip(looks, noted.tolist(), strict=True):
            try:
                now = data.picture_digest(images.image(int(row)))
            except DecodeError:  # named and counted where it is met in training
                continue
            if now != known:
                raise InputError(
                    f"{self.address} is stale: the image {shorten(str(images.ids[row]))} has other pixels now than its "
                    "teachers saw. Write the cache again."
                )


def open_teacher(
    address: str, given: Data, policy: TeacherConfig, *, weights: Sequence[float] = (), rule: str, flag: str
) -> CachedTeacher:
    """Open a cache for a run.

    Args:
        address: ``cache:DIR``.
        given: The run's data, and the views that it shows.
        policy: How the run would run its teachers; the cache says how they were run.
        weights: Of the teachers, as the run gives them.
        rule: How classes are matched.
        flag: How the user gave the address.

    Raises:
        InputError: If the cache is half-written, damaged, stale or of another format; if it holds no class of the
            data's; if the run shows other views; or if a setting would have no effect.
    """
    cache = open_cache(parse_address(address).path)
    told, inputs = cache.manifest, given.resolved
    if weights:
        raise InputError(f"{flag}_weights has no effect with {address}: the weights of its teachers are in the cache.")
    for name, usual in (("average", "logits"), ("batch_norm", "eval")):
        if getattr(policy, name) not in (usual, told.policy.get(name)):
            raise InputError(
                f"policy.{name} = {getattr(policy, name)!r} has no effect with {address}, whose teachers were run with "
                f"{told.policy.get(name)!r}: leave it out, or write another cache."
            )
    for name in ("mixup", "cutmix"):
        if getattr(inputs, name):
            raise InputError(
                f"inputs.{name} = {getattr(inputs, name):g} with {address}: a teacher's outputs of two images are not "
                f"its output of their mixture. Set inputs.{name} to 0, or give the teachers themselves."
            )
    if told.kind == "crops":
        same_views(told, inputs, address)
        if given.view_cycle != told.views:
            raise ValueError(f"{address} holds {told.views} views, and the data shows {given.view_cycle}")
    accept_teachers(told, address)
    match = match_old(given.classes, told.classes, f"{flag} {address}", rule=rule)
    return CachedTeacher(address, cache, match.theirs_together)


def same_views(told: Manifest, inputs: InputConfig, address: str) -> None:
    """Refuse input settings that show other views than a cache holds.

    Raises:
        InputError: Names the first that differs.
    """
    for name, value in told.inputs.items():
        if getattr(inputs, name, None) != value:
            raise InputError(
                f"inputs.{name} = {getattr(inputs, name, None)!r}: the views in {address} were made with {value!r}. "
                "Leave it out to train on these, or write another cache."
            )


def accept_teachers(told: Manifest, address: str) -> None:
    """Refuse a cache one of whose teachers has other files now; those that are gone are not asked.

    Raises:
        InputError: Names the teacher and its file.
    """
    for teacher in told.teachers:
        try:
            held = files.files_of(teacher["address"])
        except InputError:
            continue
        for path in held:
            noted = teacher["files"].get(path.name)
            if noted and path.is_file() and digest(path) != noted:
                raise InputError(
                    f"{address} is stale: {path} of its teacher {teacher['address']} has changed since. Write the "
                    "cache again, or restore the file."
                )


def caches_in(addresses: Sequence[str]) -> dict[str, Manifest]:
    """Return what each cache among some addresses says of itself, by its address.

    Raises:
        InputError: If one is not there or damaged.
    """
    found = {address: parse_address(address) for address in addresses}
    return {address: read_manifest(one.path) for address, one in found.items() if one.kind == "cache"}
