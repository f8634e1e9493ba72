"""Portraits as the code of Seq-to-Final reads it: its splits, and its normalisation by 255 times what was meant.

Images of 0 to 1 are normalised with ImageNet's mean and deviation multiplied by 255, so that a network sees values from
about -2.12 to -1.79, and black and white are 0.017 apart. (Otherwise Portraits is cut by decade as any data are, see
:func:`modelheir.data.open_history`, and normalised as the network is.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelheir.data.history.history import History
from modelheir.data.images import ImageSet

__all__ = ["COMPAT_SETTINGS", "compat_portraits"]

_SEED = 1007  #: of the order in every step; there is no other

COMPAT_SETTINGS: Mapping[str, Any] = {
    "inputs.augment": "none",
    "network.mean": (0.485 * 255, 0.456 * 255, 0.406 * 255),
    "network.std": (0.229 * 255, 0.224 * 255, 0.225 * 255),
}


def compat_portraits(images: ImageSet, *, name: str) -> History:
    """Part every step four to one into train and val, and the newest into 40 % train, 10 % val and 50 % test.

    Args:
        images: All portraits, with the columns ``time`` and ``decade``.
        name: For messages.
    """
    steps, names = [], []
    for time in np.unique(images.columns["time"]):
        step = images.subset(images.columns["time"] == time)
        names.append(str(step.columns["decade"][0]))
        newest = time == images.columns["time"].max()
        shares = {"train": 4, "val": 1, "test": 5} if newest else {"train": 8, "val": 2}
        order = np.random.RandomState(_SEED).permutation(len(step))
        ends = np.cumsum([len(step) * share // 10 for share in shares.values()])
        ends[-1] = len(step)
        parts = zip(shares, np.split(order, ends[:-1]), strict=True)
        steps.append(
            {split: step.subset(np.sort(rows), name=f"{step.name} ({names[-1]}, {split})") for split, rows in parts}
        )
    return History(name, tuple(steps), tuple(names), COMPAT_SETTINGS)
