"""The order of samples in an epoch, and the part of every batch that one process takes.

An epoch is a pure function of (seed, epoch): NumPy's counter-based Philox generator keyed by both gives the
permutation. Resuming in the middle of an epoch is a slice, never a replay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["Order"]

_WORD = (1 << 64) - 1


@dataclasses.dataclass(frozen=True)
class Order:
    """Which rows make up each batch of each epoch on this process.

    Shuffled, for training: the permutation is cut into global batches, every process takes an equal slice of each, and
    the last incomplete batch is left out, or kept as far as it can be shared equally. With fewer rows than one batch,
    the epoch is a single batch of as many as can be shared equally: all of them, or up to ``world - 1`` fewer.
    Not shuffled, for evaluation: every row once, in order; process ``r`` of ``W`` reads rows ``r, r + W, r + 2W, ...``.

    Example:
        >>> [rows.tolist() for _, rows in Order(n=5, batch_size=2, shuffle=False, seed=0).batches(0)]
        [[0, 1], [2, 3], [4]]
        >>> [len(rows) for _, rows in Order(n=5, batch_size=2, shuffle=True, drop_last=False, seed=0).batches(0)]
        [2, 2, 1]
    """

    n: int  #: rows in the split, >= 1
    batch_size: int  #: rows a batch over all processes, >= 1
    shuffle: bool
    seed: int
    drop_last: bool = True  #: leave out a last incomplete batch; without shuffling all rows are kept whatever it says
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        checks.at_least(1, n=self.n, batch_size=self.batch_size, world=self.world)
        checks.in_range(0, self.world - 1, rank=self.rank)
        if self.shuffle and self.batch_size % self.world:
            raise InputError(f"fit.batch_size = {self.batch_size}: must divide evenly over {self.world} processes.")
        if self.shuffle and self.n < self.world:
            raise InputError(
                f"{self.n} training images cannot be shared by {self.world} processes: start fewer, or give more data."
            )

    def __len__(self) -> int:
        """Batches an epoch on this process."""
        if self.shuffle:
            whole, rest = divmod(self.n, self.batch_size)
            return max(1, whole + (not self.drop_last and rest >= self.world))
        mine = len(range(self.rank, self.n, self.world))
        return -(-mine // self.local_batch_size)

    @property
    def local_batch_size(self) -> int:
        """Rows of a full batch on this process."""
        return max(1, self.batch_size // self.world)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yield ``(batch number, int64 rows)`` of this process from batch ``start`` on."""
        checks.at_least(0, epoch=epoch, start=start)
        size = self.local_batch_size
        if not self.shuffle:
            mine = np.arange(self.rank, self.n, self.world, dtype=np.int64)
            for number in range(start, len(self)):
                yield number, mine[number * size : (number + 1) * size]
            return
        key = np.array([self.seed & _WORD, epoch & _WORD], dtype=np.uint64)
        order = np.random.Generator(np.random.Philox(key=key)).permutation(self.n).astype(np.int64)
        for number in range(start, len(self)):
            batch = order[number * self.batch_size : (number + 1) * self.batch_size]
            share = min(size, len(batch) // self.world)
            yield number, batch[self.rank * share : (self.rank + 1) * share]
