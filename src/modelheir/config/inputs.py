"""How images are read, split, resized, augmented and brought to the device."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, InRange, OneOf

__all__ = ["InputConfig", "imagenet"]

AUGMENTATIONS = (
    "auto", "none", "flip", "crop", "crop_flip", "random_resized_crop", "randaugment", "autoaugment",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class InputConfig:
    """Settings of the data, the same for every method. Fractions are from 0 to 1."""

    # where images come from
    root: str = "data"  #: folder of downloaded sets (cifar10, cifar100)
    download: bool = False  #: allow cifar10 and cifar100 to be fetched into root
    max_bad_share: Annotated[float, InRange(0, 1)] = 0.01  #: share of undecodable files that a split may have
    max_megapixels: Annotated[float, InRange(0, 89)] = 50.0  #: a larger image is refused
    verify: Annotated[str, OneOf("open", "none")] = "open"  #: look at every header of a split too large to decode first
    # how they are split
    val_fraction: Annotated[float, InRange(0, 1)] = 0.1  #: of train, carved out where no val split is given
    test_fraction: Annotated[float, InRange(0, 1)] = 0.2  #: of train, carved out where no test split is given
    keep_together: str = ""  #: column (a patient, a day) whose images stay in one split where one is carved out
    split_seed: Annotated[int, AtLeast(0)] = 0  #: of carving and of train_fraction
    train_fraction: Annotated[float, InRange(0, 1)] = 1.0  #: of train, stratified; a smaller one is a subset
    train_per_class: Annotated[int, AtLeast(0)] = 0  #: most training images a class; 0 is all
    train_classes: tuple[str, ...] = ()  #: classes kept, in every split; () is all
    label_noise: Annotated[float, InRange(0, 1)] = (
        0.0  #: share of the training labels that are replaced by another class, drawn by split_seed, for trials
    )
    # what the model sees
    image_size: Annotated[int, AtLeast(0)] = 0  #: pixels a side; 0 is the images' own longest up to 64, else 224
    resize: Annotated[int, AtLeast(0)] = (
        0  #: short side before the evaluation crop; 0 is image_size, or 8/7 of it over 64
    )
    augment: Annotated[str, OneOf(*AUGMENTATIONS)] = (
        "auto"  #: training; auto is crop to 64 pixels, else random_resized_crop; none is the evaluation's centre
    )
    mirror: bool | None = (
        None  #: whether a mirrored image keeps its class (not digits, text, left and right), so that training mirrors
        #: half of them; absent is as augment says by its name, and with auto only for photographs known as such (cifar)
    )
    crop_pad: Annotated[int, AtLeast(0)] = 0  #: pixels of padding for crop; 0 is an eighth of image_size
    policy_operations: Annotated[int, AtLeast(1)] = 2  #: operations an image of randaugment
    policy_magnitude: Annotated[int, InRange(0, 30)] = 9  #: strength of randaugment
    erase: Annotated[float, InRange(0, 1)] = 0.0  #: probability of greying a random rectangle
    mixup: Annotated[float, AtLeast(0)] = 0.0  #: alpha of the Beta distribution; 0 is off
    cutmix: Annotated[float, AtLeast(0)] = 0.0  #: alpha of the Beta distribution; 0 is off
    mix_probability: Annotated[float, InRange(0, 1)] = 1.0  #: of mixing a batch at all
    mix_switch: Annotated[float, InRange(0, 1)] = 0.5  #: probability of cutmix where both are on
    views: Annotated[str, OneOf("centre", "ten_crop")] = "centre"  #: evaluation crops
    # how they travel
    loader: Annotated[str, OneOf("auto", "resident", "streaming")] = "auto"  #: all on the device, or decoded on the way
    resident_gib: Annotated[float, AtLeast(0)] = 4.0  #: largest decoded split that auto keeps on the device
    workers: Annotated[int, AtLeast(0)] = 4  #: processes that decode for streaming, at most one a CPU core; 0 is none
    augment_seed: Annotated[int | None, AtLeast(0)] = None  #: of augmentation and mixing; absent takes the order's seed


def imagenet(**changes: object) -> InputConfig:
    """Return the usual settings for ImageNet: random resized crops of 224, evaluation at 256 with a 224 crop.

    Example:
        >>> imagenet(views="ten_crop").resize
        256
    """
    usual = InputConfig(image_size=224, resize=256, augment="random_resized_crop")
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type]
