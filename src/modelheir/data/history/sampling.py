"""How many images of each class a step has, and which: quotas, seeds of steps, and draws that share no image.

A *unit* is a finer class, or a class where there are none; units are numbered class by class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelheir.checks import InputError

__all__ = ["allot", "draw", "quotas", "step_seeds", "train_part"]

_CLOSE = 1e-9  #: so that a share of 1/3 of 300 is 100


def step_seeds(seed: int, targets: int) -> list[int]:
    """Return a seed for the source and for each of the steps after it, as the paper's code draws them.

    Example:
        >>> step_seeds(1007, 3)
        [1007, 6906, 8583, 6709]
    """
    return [seed, *np.random.RandomState(seed).randint(10000, size=targets).tolist()]


def quotas(n: int, shares: np.ndarray, *, compat: bool = False) -> np.ndarray:
    """Part ``n`` images among classes, and those of a class among its finer classes.

    Each gets its share rounded down, and the last class, or the last finer class with a share, the remainder. In
    ``compat`` every later finer class is given that same remainder again, as in the paper's code, so that their sum is
    more than ``n``.

    Args:
        n: Images in all.
        shares: ``(C, F)``, add up to 1.
        compat: As above.

    Returns:
        Int64 ``(C, F)``.

    Example:
        >>> thirds = np.array([[1 / 3, 1 / 3, 1 / 3, 0.0, 0.0]])
        >>> quotas(200, thirds).tolist(), quotas(200, thirds, compat=True).tolist()
        ([[66, 66, 68, 0, 0]], [[66, 66, 68, 68, 68]])
    """
    of_class = shares.sum(axis=1)
    counts = np.floor(n * of_class + _CLOSE).astype(np.int64)
    counts[-1] = n - counts[:-1].sum()
    found = np.zeros(shares.shape, dtype=np.int64)
    for row, (own, count) in enumerate(zip(shares, counts, strict=True)):
        last = int(np.flatnonzero(own > 0)[-1]) if count else 0
        if count:
            found[row] = np.floor(count * own / own.sum() + _CLOSE)
        found[row, last] = rest = count - found[row, :last].sum()
        if compat:
            found[row, last:] = rest
    return found


def train_part(count: int) -> int:
    """Return how many of ``count`` images of a unit are for training: four fifths, rounded down."""
    return count * 4 // 5


def allot(
    unit: np.ndarray, wanted: Sequence[np.ndarray], *, seed: int, names: Sequence[str], what: str
) -> list[list[np.ndarray]]:
    """Give every step images of its own: no image is in two.

    Within a unit the newest step takes from one end of a random order, older steps from the other, so that the newest
    step's images do not depend on how much history there is, and fewer of them are a part of more.

    Args:
        unit: ``(N,)``: unit of each image.
        wanted: How many images of each unit every step has, ``(U,)`` a step.
        seed: Of the order.
        names: Of units, for messages.
        what: Where the images are from, for messages.

    Returns:
        Rows of each unit, for each step.

    Raises:
        InputError: If there are fewer images of a unit than the steps want together; names it.
    """
    asked = np.sum(wanted, axis=0)
    _enough(unit, asked, names, f"{what}, with no image in two steps,")
    found: list[list[np.ndarray]] = [[] for _ in wanted]
    for one in range(len(asked)):
        order = np.random.Generator(np.random.PCG64([seed, one])).permutation(np.flatnonzero(unit == one))
        found[-1].append(order[: wanted[-1][one]])
        end = len(order)
        for rows, counts in zip(found[:-1], wanted[:-1], strict=True):
            rows.append(order[end - counts[one] : end])
            end -= int(counts[one])
    return found


def draw(
    unit: np.ndarray, wanted: np.ndarray, random: np.random.RandomState, *, names: Sequence[str], what: str
) -> list[np.ndarray]:
    """Draw images of one step without regard to others; fewer are a part of more.

    Args:
        unit: ``(N,)``: unit of each image.
        wanted: How many images of each unit, ``(U,)``.
        random: The step's.
        names: Of units, for messages.
        what: Where the images are from, for messages.

    Returns:
        Rows of each unit.

    Raises:
        InputError: If there are fewer images of a unit; names it.
    """
    _enough(unit, wanted, names, f"{what} of one step")
    orders = [random.permutation(np.flatnonzero(unit == one)) for one in range(len(wanted))]
    return [order[:count] for order, count in zip(orders, wanted, strict=True)]


def _enough(unit: np.ndarray, asked: np.ndarray, names: Sequence[str], what: str) -> None:
    there = np.bincount(unit[unit >= 0], minlength=len(asked))
    short = np.flatnonzero(asked > there)
    if len(short):
        one = int(short[np.argmax((asked - there)[short])])
        others = f" (and more than there are of {len(short) - 1} others)" if len(short) > 1 else ""
        raise InputError(
            f"{what} asks for {int(asked[one]):,} images of {names[one]!r}, and there are {int(there[one]):,}{others}: "
            "ask for fewer."
        )
