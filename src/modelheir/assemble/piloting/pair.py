"""One pair of small runs, and what it gained."""

from __future__ import annotations

import dataclasses

__all__ = ["Pair"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """A student with the teacher and one without, of one size and seed."""

    planned: int  #: images that were asked for; whole images a class make it a few more
    labelled: int
    pool: int
    seed: int  #: counts from that of the run
    counts: tuple[int, ...]  #: outcomes on the selection split, without (old) against with (new)
    seconds: float  #: of both trainings

    @property
    def images(self) -> int:
        """All training images, with labels and without."""
        return self.labelled + self.pool

    @property
    def accuracy(self) -> dict[str, float]:
        """Accuracy of both students on the selection split, fractions."""
        both, lost, won, *_ = self.counts
        return {"with": (both + won) / sum(self.counts), "without": (both + lost) / sum(self.counts)}

    @property
    def gain(self) -> float:
        """Accuracy with minus without.

        >>> round(Pair(8, 8, 0, 0, counts=(5, 1, 3, 1, 0), seconds=1.0).gain, 2)
        0.2
        """
        return (self.counts[2] - self.counts[1]) / sum(self.counts)
