"""From settings to what happens to each image: resolving "auto", reading, and the batch part on the device.

An image's random choices are keyed by (seed, epoch, row) or, where the views of an image come again, by (seed, view,
sample id): see ``draws``. Reading gives an 8-bit square; the batch
part shifts, flips, runs a policy, scales to 0..1, erases. Both loaders share the two parts.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.decode import DecodeError
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.data.transforms import geometry, policies
from modelheir.data.transforms.draws import uniform

__all__ = ["SMALL", "Augment", "Choices", "resolve"]

SMALL = 64  #: pixels a side up to which an image counts as small
_BOX, _PLACE, _FLIP, _ERASE, _POLICY = 0, 20, 22, 23, 32  # first slots of the draws


def resolve(config: InputConfig, images: ImageSet) -> InputConfig:
    """Replace "auto", 0 and an absent ``mirror`` by what they mean for these images; a resolved config stays as it is.

    A mirrored 2, a mirrored word or a left hand has another class or none, and nothing in the files says so: "auto"
    mirrors only where the source is known.

    Raises:
        InputError: If ``resize`` is smaller than ``image_size``, or ``mirror`` contradicts ``augment``.
    """
    size = config.image_size or _own_size(images)
    wide = size > SMALL or config.views == "ten_crop"
    resize = config.resize or (round(size * 8 / 7) if wide else size)
    if resize < size:
        raise InputError(f"inputs.resize = {resize}: must be at least image_size = {size}.")
    augment, mirror = config.augment, config.mirror
    if augment == "auto":
        augment, usual = ("random_resized_crop" if size > SMALL else "crop"), images.mirror
    else:
        usual = augment not in ("none", "crop")
    if mirror is None:
        mirror = usual
    if mirror != usual and augment in ("none", "flip", "crop_flip"):
        raise InputError(
            f"inputs.mirror = {mirror}: inputs.augment = {augment!r} says the opposite; leave one of them out."
        )
    pad = config.crop_pad or max(1, size // 8)
    return dataclasses.replace(config, image_size=size, resize=resize, augment=augment, mirror=mirror, crop_pad=pad)


def _own_size(images: ImageSet) -> int:
    """Return the longest side of some images, spread over the split, if all of them are small."""
    sides = set[int]()
    looks = 1 if isinstance(images.pixels, ArrayPixels) else 16
    for i in np.unique(np.linspace(0, len(images) - 1, looks).round().astype(int)) if len(images) else ():
        with contextlib.suppress(DecodeError):
            sides.update(images.size(int(i)))
    return max(sides) if sides and max(sides) <= SMALL else 224


@dataclasses.dataclass(frozen=True)
class Choices:
    """The random choices of one batch."""

    tables: Mapping[str, np.ndarray]  #: for the device, by name; see ``transfer.to_device``
    plan: policies.Plan | None = None  #: of a policy


class Augment:
    """The two parts of making the model's input, for one split."""

    def __init__(self, config: InputConfig, *, train: bool, seed: int) -> None:
        """Keep a resolved config."""
        self.config, self.train, self.seed = config, train, seed
        self.size = config.image_size
        kind = config.augment if train else "none"
        policy = kind in ("randaugment", "autoaugment")
        self.boxes = kind == "random_resized_crop" or (policy and self.size > SMALL)
        self.shifts = kind in ("crop", "crop_flip") or (policy and not self.boxes)
        self.flips = train and bool(config.mirror)
        self.policy = kind if policy else ""
        self.erases = train and config.erase > 0
        self.views = 10 if config.views == "ten_crop" and not train else 1
        self.resize = self.size if train and kind != "none" else config.resize  #: short side before the square is cut

    def read(self, image: np.ndarray) -> np.ndarray:
        """Do what is the same in every epoch: uint8 ``(H, W, 3)`` to ``(S, S, 3)``; ``(10, S, S, 3)`` for ten crops.

        Training without augmentation gives the centre view of evaluation.
        """
        if self.views == 10:
            return geometry.ten_crops(image, resize=self.resize, size=self.size)
        return geometry.prepare(image, resize=self.resize, size=self.size)

    def read_box(self, image: np.ndarray, *, key: int, epoch: int) -> np.ndarray:
        """Do the random resized crop of one image: uint8 ``(H, W, 3)`` to ``(S, S, 3)``."""
        sizes = np.array([image.shape[:2]])
        return geometry.resized_crop(
            image, self._crop_boxes(np.array([key], np.uint64), epoch, sizes)[0], size=self.size
        )

    def draw(self, keys: np.ndarray, epoch: int, *, sizes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Make the random choices of some images, on the host; of what the settings leave out there is nothing.

        Args:
            keys: Of the images, ``(N,)``: rows, or keys of the samples.
            epoch: Whose choices.
            sizes: ``(N, 2)``: height and width of every image, for boxes; absent where none are to be drawn.

        Returns:
            ``boxes`` int64 ``(N, 4)``: top, left, height, width in the image; ``offsets`` int64 ``(N, 2)``: top, left
            in the square padded by ``crop_pad``; ``flipped`` bool ``(N,)``; ``operations`` float64 ``(N, K, 3)``, see
            ``policies``; ``erased`` int64 ``(N, 4)``, a box of the square.
        """
        found: dict[str, np.ndarray] = {}
        if self.boxes and sizes is not None:
            found["boxes"] = self._crop_boxes(keys, epoch, sizes)
        if not (self.shifts or self.flips or self.erases or self.policy):
            return found
        draws = uniform(seed=self.seed, epoch=epoch, index=keys, slots=_ERASE + 5)
        if self.shifts:
            place = draws[:, _PLACE : _PLACE + 2] * (2 * self.config.crop_pad + 1)
            found["offsets"] = np.floor(place).astype(np.int64)
        if self.flips:
            found["flipped"] = draws[:, _FLIP] < 0.5
        if self.policy:
            found["operations"] = self._operations(keys, epoch)
        if self.erases:
            boxes = geometry.erase_boxes(draws[:, _ERASE:], probability=self.config.erase, size=self.size)
            found["erased"] = boxes
        return found

    def choose(self, keys: np.ndarray, epoch: int, *, size: tuple[int, int] | None = None) -> Choices:
        """Make the random choices of a batch, as its device needs them.

        Args:
            keys: Of the batch, ``(N,)``: rows, or keys of the samples.
            epoch: Whose choices.
            size: Height and width of images whose random boxes are still to be cut; absent where they are squares.
        """
        sizes = None if size is None else np.broadcast_to(np.array(size), (len(keys), 2))
        tables = self.draw(keys, epoch, sizes=sizes)
        if not self.policy:
            return Choices(tables)
        plan = policies.make_plan(tables.pop("operations"), height=self.size, width=self.size)
        return Choices({**tables, **plan.tables}, plan)

    def finish(self, images: Tensor, choices: Choices, tables: Mapping[str, Tensor]) -> Tensor:
        """Do what was chosen to uint8 images ``(N, 3, H, W)``: float32 squares in 0..1 on their device.

        ``tables`` are those of ``choices``, on that device.
        """
        if "boxes" in tables:
            images = geometry.resized_crops(images, tables["boxes"], size=self.size)
        if "offsets" in tables:
            images = geometry.shift_crop(images, tables["offsets"], pad=self.config.crop_pad)
        if "flipped" in tables:
            images = geometry.flip(images, tables["flipped"])
        if choices.plan:
            images = policies.apply_operations(images, choices.plan, tables)
        whole = images.float().div_(255)
        return geometry.erase_rectangles(whole, tables["erased"]) if "erased" in tables else whole

    def _crop_boxes(self, keys: np.ndarray, epoch: int, sizes: np.ndarray) -> np.ndarray:
        draws = uniform(seed=self.seed, epoch=epoch, index=keys, slots=22, first_slot=_BOX)
        return geometry.crop_boxes(draws, sizes)

    def _operations(self, keys: np.ndarray, epoch: int) -> np.ndarray:
        count = self.config.policy_operations
        slots = 5 if self.policy == "autoaugment" else 2 * count
        draws = uniform(seed=self.seed, epoch=epoch, index=keys, slots=slots, first_slot=_POLICY)
        if self.policy == "autoaugment":
            return policies.auto_augment(draws)
        return policies.rand_augment(draws.reshape(-1, count, 2), magnitude=self.config.policy_magnitude)
