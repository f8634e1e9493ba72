"""Sets that need no file: the UCI digits that scikit-learn ships, and synthetic images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.extras import need

__all__ = ["open_digits", "open_synthetic"]

#: Where a writer of the digits begins: the labels run from 0 to 9 anew. As scikit-learn's own course has it,
#: <https://inria.github.io/scikit-learn-mooc/python_scripts/cross_validation_grouping.html>.
_WRITERS = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667, 1797)
_OPTIONS = {"n": 256, "classes": 4, "size": 16, "seed": 0, "noise": 40}


def open_digits(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return the 1,797 handwritten digits of 8 x 8 pixels; 17 grey levels become 0 to 255.

    They stand writer by writer: the column ``writer`` numbers the blocks of the set's order, 0 to 13 (there were 13
    writers, so one wrote two of them), and ``time`` is the place in that order, 0 to 1796.

    Raises:
        InputError: If scikit-learn, which has them, is not installed.
    """
    need("train", "digits", "sklearn")
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    grey = np.rint(np.asarray(values).reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = ImageSet(
        name="digits",
        classes=tuple(str(name) for name in range(10)),
        ids=np.array([f"digits/{i:04d}" for i in range(len(grey))]),
        labels=np.asarray(labels, dtype=np.int64),
        pixels=ArrayPixels(np.repeat(grey[..., None], 3, axis=3)),
        rows=np.arange(len(grey)),
        columns={
            "writer": np.repeat(np.arange(len(_WRITERS) - 1), np.diff(_WRITERS)),
            "time": np.arange(len(grey)),
        },
    )
    return {"train": images}


def open_synthetic(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return images of a smooth random pattern a class plus noise, so that a small net can learn them.

    Options: ``n`` images, ``classes``, ``size`` in pixels, ``seed``, ``noise`` (standard deviation, of 255). The column
    ``domain`` alternates between ``day`` and ``night``; night images are darker.
    """
    given = dict(_OPTIONS)
    for key, value in options.items():
        if key not in given:
            raise checks.unknown("option of synthetic", key, given)
        if not value.isdecimal():
            raise InputError(f"synthetic: {key} = {value!r}: must be a whole number >= 0.")
        given[key] = int(value)
    n, classes, size = given["n"], given["classes"], given["size"]
    for key, low in (("n", 2), ("classes", 2), ("size", 2)):
        if given[key] < low:
            raise InputError(f"synthetic: {key} = {given[key]}: must be >= {low}.")
    random = np.random.Generator(np.random.PCG64(given["seed"]))
    coarse = random.uniform(40, 215, size=(classes, 3, 3, 3))
    place_in_coarse = np.minimum(np.arange(size) * 3 // size, 2)
    patterns = coarse[:, place_in_coarse][:, :, place_in_coarse]
    labels = np.arange(n, dtype=np.int64) % classes
    night = (np.arange(n) // classes) % 2 == 1
    pixels = patterns[labels] * np.where(night, 0.6, 1.0)[:, None, None, None]
    pixels += given["noise"] * random.standard_normal(pixels.shape)
    images = ImageSet(
        name="synthetic",
        classes=tuple(f"class{i}" for i in range(classes)),
        ids=np.array([f"synthetic/{i:06d}" for i in range(n)]),
        labels=labels,
        pixels=ArrayPixels(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)),
        rows=np.arange(n),
        columns={"domain": np.where(night, "night", "day")},
    )
    return {"train": images}
