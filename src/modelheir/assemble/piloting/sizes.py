"""How large the small runs of a pilot are, and how many of them fit into the time that it has.

A small run keeps the passes over the data and shrinks the data, so that it shrinks its steps as well. Labels are kept
before images without: up to half of a small run's images are labelled ones, as they decide most. Both arms of a pair
make the same number of steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

__all__ = ["LEVELS", "Pace", "Size", "Whole", "choose_pairs", "ladder", "least_seconds"]

LEVELS = 3  #: sizes of a pilot, each twice the one before
_SEEDS = (2, 5)  #: of each size: fewest; and most, where the largest size is the whole
_STEPS = 100  #: of a student, so that it learns something at all
_SAVED = 0.9  #: share of the time that is planned with


@dataclasses.dataclass(frozen=True)
class Size:
    """Images of a small run."""

    share: float  #: of the images of the whole, above 0 to 1
    labelled: int
    pool: int  #: images without labels

    @property
    def images(self) -> int:
        """All images."""
        return self.labelled + self.pool


@dataclasses.dataclass(frozen=True)
class Whole:
    """The training that a pilot stands for."""

    labelled: int
    pool: int  #: images without labels; 0 is none
    classes: int
    batch_size: int
    epochs: int  #: passes over all images
    target_epochs: int = 0  #: passes over the labelled ones alone, afterwards

    @property
    def fewest(self) -> int:
        """Images of the smallest run that says anything: a hundred steps, two batches and four images a class."""
        batches = max(2, -(-_STEPS // self.epochs))
        return min(max(batches * self.batch_size, 4 * self.classes), self.labelled + self.pool)

    def shrunk(self, share: float) -> Size:
        """Return what is kept of the images, nested for growing shares.

        Args:
            share: Above 0 to 1.

        Example:
            >>> whole = Whole(labelled=400, pool=4_600, classes=10, batch_size=32, epochs=30)
            >>> [whole.shrunk(share) for share in (0.1, 0.5)]
            [Size(share=0.1, labelled=250, pool=250), Size(share=0.5, labelled=400, pool=2100)]
        """
        every = self.labelled + self.pool
        images = max(self.fewest, round(share * every))
        even = max(-(-images // 2), round(images / every * self.labelled), images - self.pool)
        labelled = min(self.labelled, even)
        return Size(images / every, labelled, images - labelled)

    def steps(self, size: Size) -> int:
        """Return the steps of the arm with the teacher; a last incomplete batch is left out.

        >>> whole = Whole(labelled=400, pool=0, classes=10, batch_size=32, epochs=30, target_epochs=2)
        >>> whole.steps(whole.shrunk(1.0))
        384
        """
        return self.epochs * self._batches(size.images) + self.target_epochs * self._batches(size.labelled)

    def epochs_without(self, size: Size) -> int:
        """Return the passes over the labelled images that make as many steps, at least one.

        >>> whole = Whole(labelled=100, pool=900, classes=10, batch_size=10, epochs=3, target_epochs=1)
        >>> whole.epochs_without(whole.shrunk(1.0))
        31
        """
        return max(1, round(self.steps(size) / self._batches(size.labelled)))

    def _batches(self, images: int) -> int:
        return max(1, images // self.batch_size)


@dataclasses.dataclass(frozen=True)
class Pace:
    """What was measured: seconds of a step and of everything around the steps, in each arm."""

    step_with: float
    step_without: float
    around_with: float
    around_without: float

    def seconds(self, whole: Whole, size: Size) -> float:
        """Return how long a pair of runs takes.

        >>> pace = Pace(step_with=0.02, step_without=0.01, around_with=1.0, around_without=0.5)
        >>> whole = Whole(labelled=400, pool=0, classes=10, batch_size=4, epochs=1)
        >>> pace.seconds(whole, whole.shrunk(1.0))
        4.5
        """
        steps = whole.steps(size)
        return self.around_with + self.around_without + steps * (self.step_with + self.step_without)


def ladder(whole: Whole, share: float) -> list[Size]:
    """Return the sizes that end with ``share``, growing; sizes that would be the same are one.

    >>> whole = Whole(labelled=400, pool=0, classes=10, batch_size=32, epochs=30)
    >>> [size.labelled for size in ladder(whole, 0.5)]
    [128, 200]
    """
    return sorted({whole.shrunk(share / 2**level) for level in range(LEVELS)}, key=lambda size: size.share)


def choose_pairs(whole: Whole, pace: Pace, seconds: float) -> list[tuple[Size, int]]:
    """Return the pairs of runs that fit into the time: size and number of the seed, in the order to train them.

    The largest sizes that two seeds of each allow; where these are the whole, as many seeds as fit, five at most.

    Args:
        whole: The training that the pilot stands for.
        pace: What was measured.
        seconds: Time that is left.

    Returns:
        Empty where not even the smallest size fits.

    Example:
        >>> whole = Whole(labelled=6_400, pool=0, classes=10, batch_size=32, epochs=10)
        >>> pace = Pace(step_with=0.02, step_without=0.01, around_with=1.0, around_without=1.0)
        >>> pairs = choose_pairs(whole, pace, seconds=60)
        >>> [(size.labelled, seed) for size, seed in pairs]
        [(328, 0), (656, 0), (1311, 0), (328, 1), (656, 1), (1311, 1)]
    """
    fewest, most = _SEEDS

    def fits(share: float, seeds: int = fewest) -> bool:
        return _needed(whole, pace, share, seeds) <= seconds

    if fits(1.0):
        seeds = max(count for count in range(fewest, most + 1) if fits(1.0, count))
        return [*_in_order(ladder(whole, 1.0), seeds)]
    low, high = _smallest(whole), 1.0
    if not fits(low):
        return []
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return [*_in_order(ladder(whole, low), fewest)]


def least_seconds(whole: Whole, pace: Pace) -> float:
    """Return the time that :func:`choose_pairs` needs at least."""
    return _needed(whole, pace, _smallest(whole), _SEEDS[0])


def _smallest(whole: Whole) -> float:
    return whole.fewest / (whole.labelled + whole.pool)


def _needed(whole: Whole, pace: Pace, share: float, seeds: int) -> float:
    return seeds * sum(pace.seconds(whole, size) for size in ladder(whole, share)) / _SAVED


def _in_order(sizes: Sequence[Size], seeds: int) -> Iterator[tuple[Size, int]]:
    """Yield every size with the first seed, then with the next, so that whoever stops early has compared all sizes."""
    for seed in range(seeds):
        for size in sizes:
            yield size, seed
