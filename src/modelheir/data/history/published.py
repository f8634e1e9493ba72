"""The sequences that the Seq-to-Final paper reports on, by the letters of its plots, with their sample sizes."""

from __future__ import annotations

import dataclasses

from modelheir.data.history.sequence import SequenceConfig

__all__ = ["PUBLISHED", "oracle"]

_SIZES = (6000, 4000, 6000, 4000)
_LONGER = (
    (16000,), (10000, 6000), (6000, 4000, 6000), (4000,) * 4, (4000, *(3000,) * 4),
    (4000, 2000, 3000, 2000, 3000, 2000), (4000, *(2000,) * 6),
)  # fmt: skip
_ORACLE = 20_000
_ORACLE_SUBPOP = 19_960  #: the most that leaves 332 of 500 for a finer class of which older steps have 168


#: letters -> data set and sequence; R2 to R8 turn by 30 degrees a step, with 16,000 images before the last
PUBLISHED: dict[str, tuple[str, SequenceConfig]] = {
    "CLR": ("cifar10", SequenceConfig("corruption:label_flip:rotation", _SIZES, 5000)),
    "RCL": ("cifar10", SequenceConfig("rotation:corruption:label_flip", _SIZES, 5000)),
    "rrr": ("cifar10", SequenceConfig("rotation_cond:rotation_cond:rotation_cond", _SIZES, 5000)),
    "TTT": ("cifar10", SequenceConfig("recolor:recolor:recolor", _SIZES, 5000)),
    "sss": ("cifar100", SequenceConfig("subpop:subpop:subpop", _SIZES, 5000)),
    **{
        f"R{len(older) + 1}": (
            "cifar10",
            SequenceConfig(":".join(["rotation"] * len(older)), (*older, 4000), 5000),
        )
        for older in _LONGER
    },
}


def oracle(config: SequenceConfig) -> SequenceConfig:
    """Return the sequence whose newest step has 20,000 images; the 4,000 are a part of them.

    In ``fixed`` mode a published sequence with subpop has 19,960, as no image may be in two steps.
    """
    whole = config.mode == "compat" or "subpop" not in config.shifts
    return dataclasses.replace(config, sizes=(*config.sizes[:-1], _ORACLE if whole else _ORACLE_SUBPOP))
