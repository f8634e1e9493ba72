r"""How large a shift between time steps is, as a multiple of what two halves of one step differ by.

.. math:: \text{covariate} = W_2(X_a, X_b), \qquad
          \text{conditional} = \sum_y \hat P_b(y)\, W_2(X_a \mid y,\ X_b \mid y)

on the fewest principal components of all steps' training images together that hold 95 % of the variance, at most 100.

Ji, Alaa and Sontag, "Seq-to-Final: A Benchmark for Tuning from Sequential Distributions to a Final Time Point", 2024,
arXiv:2407.09642, tables 4 and 5. Ours differs: where sizes have no small common multiple the distance is between
certain ends (:mod:`~modelheir.metrics.geometry.wasserstein`), and a class that one side lacks leaves the conditional
shift undefined, where the older code stops.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from modelheir import checks
from modelheir.metrics.geometry.wasserstein import wasserstein2

__all__ = ["Shift", "ShiftSizes", "conditional_shift", "principal_coordinates", "shift_sizes"]


class Shift(NamedTuple):
    """The size of one shift, in the unit of the images' values or as a ratio; ``>= 0``, 0 is none."""

    covariate: float
    conditional: float  #: NaN where one side lacks a class of the other


class ShiftSizes(NamedTuple):
    """The shifts of a sequence of ``S`` time steps."""

    halves: Shift  #: between two random halves of the first step's training images: what no shift looks like
    consecutive: tuple[Shift, ...]  #: ``S - 1``, step ``t`` against step ``t + 1``
    to_test: tuple[Shift, ...]  #: ``S``, step ``t``'s training images against the test images of the last step

    @property
    def consecutive_ratios(self) -> tuple[Shift, ...]:
        """``S - 1`` shifts over that of the halves; 1 is no shift."""
        return tuple(_ratio(one, self.halves) for one in self.consecutive)

    @property
    def to_test_ratios(self) -> tuple[Shift, ...]:
        """``S - 1`` shifts of earlier steps over that of the last step; 1 is as near the test images as it is."""
        return tuple(_ratio(one, self.to_test[-1]) for one in self.to_test[:-1])


def shift_sizes(
    train: Sequence[tuple[np.ndarray, np.ndarray]],
    test: tuple[np.ndarray, np.ndarray],
    *,
    generator: np.random.Generator,
    share: float = 0.95,
    most: int = 100,
    tolerance: float = 0.01,
) -> ShiftSizes:
    """Measure the shifts of a sequence.

    Args:
        train: Images and labels of each time step: values ``(n, ...)`` as they are stored, int ``(n,)``; two or more.
        test: Of the last step, the same way.
        generator: Draws the halves of the first step.
        share: Of the variance that the components hold, above 0 to 1.
        most: Components at most, ``>= 1``.
        tolerance: Of each distance, as :func:`~modelheir.metrics.geometry.wasserstein.wasserstein2` takes it.

    Returns:
        Distances and their ratios.

    Raises:
        ValueError: If there are fewer than two steps, lengths differ, or the first step has one image.
    """
    checks.at_least(2, steps=len(train), images_of_the_first_step=len(train[0][1]) if train else 0)
    for images, labels in (*train, test):
        checks.same_length(images=images, labels=labels)
    flat = [np.asarray(images, np.float64).reshape(len(images), -1) for images, _ in (*train, test)]
    *features, last = principal_coordinates(flat[:-1], flat, share=share, most=most)
    steps = [(x, np.asarray(labels)) for x, (_, labels) in zip(features, train, strict=True)]
    final = last, np.asarray(test[1])
    order = generator.permutation(len(steps[0][1]))
    one, other = order[: len(order) // 2], order[len(order) // 2 :]

    def between(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> Shift:
        covariate = wasserstein2(a[0], b[0], tolerance=tolerance).value
        return Shift(covariate, conditional_shift(*a, *b, tolerance=tolerance))

    x, y = steps[0]
    return ShiftSizes(
        between((x[one], y[one]), (x[other], y[other])),
        tuple(between(a, b) for a, b in itertools.pairwise(steps)),
        tuple(between(a, final) for a in steps),
    )


def conditional_shift(
    x_a: np.ndarray, y_a: np.ndarray, x_b: np.ndarray, y_b: np.ndarray, *, tolerance: float = 0.01
) -> float:
    """Average the distance within each class, weighed by the classes' shares in the second sample.

    Args:
        x_a: Features of the first sample, ``(n, D)``.
        y_a: Its labels, ``(n,)``.
        x_b: Features of the second sample, ``(m, D)``.
        y_b: Its labels, ``(m,)``.
        tolerance: Of each distance, as :func:`~modelheir.metrics.geometry.wasserstein.wasserstein2` takes it.

    Returns:
        The shift, ``>= 0``; NaN where a class is in one sample only.

    Example:
        >>> x, y = np.array([[0.0], [10.0]]), np.array([0, 1])
        >>> conditional_shift(x, y, x + [[1.0], [3.0]], y)
        2.0
    """
    checks.same_length(x_a=x_a, y_a=y_a)
    checks.same_length(x_b=x_b, y_b=y_b)
    classes, counts = np.unique(y_b, return_counts=True)
    if not np.array_equal(classes, np.unique(y_a)):
        return float("nan")
    gaps = [wasserstein2(x_a[y_a == c], x_b[y_b == c], tolerance=tolerance).value for c in classes]
    return float(counts @ gaps / len(y_b))


def principal_coordinates(
    fit: Sequence[np.ndarray], samples: Sequence[np.ndarray], *, share: float = 0.95, most: int = 100
) -> list[np.ndarray]:
    """Place samples on the fewest principal components that hold ``share`` of the variance.

    Args:
        fit: Samples that the components are taken from, each ``(n, D)``.
        samples: Samples to place, each ``(m, D)``.
        share: Of the variance, above 0 to 1.
        most: Components at most, ``>= 1``.

    Returns:
        One array a sample, ``(m, K)``. Signs of components are arbitrary, and no distance depends on them.

    Example:
        >>> points = np.array([[0.0, 3.0], [2.0, 3.0], [4.0, 3.0]])
        >>> abs(principal_coordinates([points], [points])[0]).tolist()
        [[2.0], [0.0], [2.0]]
    """
    from scipy.linalg import eigh

    checks.above(0, share=share)
    checks.in_range(0, 1, share=share)
    checks.at_least(1, most=most)
    every = np.concatenate([np.asarray(one, np.float64) for one in fit])
    mean = every.mean(axis=0)
    centred = every - mean
    wide = centred.shape[0] < centred.shape[1]
    values, vectors = eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    held = np.cumsum(values) / max(values.sum(), 1e-300)
    count = min(int(np.searchsorted(held, share - 1e-12)) + 1, most, int((values > 1e-12 * values[0]).sum()) or 1)
    basis = vectors[:, :count]
    if wide:
        basis = centred.T @ basis / np.sqrt(np.maximum(values[:count], 1e-300))
    return [(np.asarray(one, np.float64) - mean) @ basis for one in samples]


def _ratio(one: Shift, by: Shift) -> Shift:
    with np.errstate(divide="ignore", invalid="ignore"):
        return Shift(*(float(np.float64(a) / b) for a, b in zip(one, by, strict=True)))
