r"""Where two views are right and wrong together: what one could teach the other, and what neither knows.

With the counts ``a`` (both right), ``b`` (only the first), ``c`` (only the second) and ``d`` (both wrong) of ``N``
images:

.. math:: Q = \frac{ad - bc}{ad + bc}, \qquad
          \phi = \frac{ad - bc}{\sqrt{(a+b)(c+d)(a+c)(b+d)}}, \qquad
          double\ fault = \frac dN

Kuncheva and Whitaker, "Measures of diversity in classifier ensembles", 2003. ``Q`` and ``phi`` are 0 where errors are
independent, 1 where the views err on the same images, below 0 where each errs where the other is right.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = ["SharedErrors", "expected_double_fault", "shared_errors"]


class SharedErrors(NamedTuple):
    """Counts of images."""

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int

    @property
    def double_fault(self) -> float:
        """Share of the images that both views have wrong, 0 to 1."""
        return self.both_wrong / sum(self)

    @property
    def first_saves(self) -> float:
        """Share of the second view's errors that the first has right, 0 to 1; NaN where it makes none."""
        return _ratio(self.only_first, self.only_first + self.both_wrong)

    @property
    def second_saves(self) -> float:
        """Share of the first view's errors that the second has right, 0 to 1; NaN where it makes none."""
        return _ratio(self.only_second, self.only_second + self.both_wrong)

    @property
    def q(self) -> float:
        """Yule's ``Q``, -1 to 1; NaN where a view is always right or always wrong."""
        a, b, c, d = self
        return _ratio(a * d - b * c, a * d + b * c)

    @property
    def phi(self) -> float:
        """The correlation of the two views' errors, -1 to 1; NaN where a view is always right or always wrong."""
        a, b, c, d = self
        return _ratio(a * d - b * c, math.sqrt((a + b) * (c + d) * (a + c) * (b + d)))


def shared_errors(first_right: np.ndarray, second_right: np.ndarray) -> SharedErrors:
    """Count where two views are right.

    Args:
        first_right: Whether the first view is right, ``(N,)`` bool.
        second_right: The same of the second view.

    Raises:
        ValueError: If the shapes differ or there are no images.

    Example:
        >>> found = shared_errors(np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool))
        >>> found.phi, found.double_fault, found.first_saves
        (0.0, 0.25, 0.5)
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    checks.same_shape(first_right=first, second_right=second)
    if not len(first):
        raise ValueError("shared errors need at least one image")
    counts = np.bincount(2 * ~first + ~second, minlength=4)
    return SharedErrors(*(int(count) for count in counts))


def expected_double_fault(first_right: np.ndarray, second_right: np.ndarray, label: np.ndarray) -> float:
    r"""Return how often both would be wrong if they erred independently given the class, 0 to 1.

    .. math:: \sum_y \frac{N_y}{N}\, e_1(y)\, e_2(y)

    A double fault above it says that the same images are hard for both, beyond what their class explains.

    Args:
        first_right: Whether the first view is right, ``(N,)`` bool.
        second_right: The same of the second view.
        label: True classes, ``(N,)``.

    Example:
        >>> right = np.array([1, 0, 1, 1], bool)
        >>> expected_double_fault(right, right, np.array([0, 0, 1, 1]))
        0.125
    """
    first, second, label = np.asarray(first_right, bool), np.asarray(second_right, bool), np.asarray(label)
    checks.same_shape(first_right=first, second_right=second, label=label)
    _, code = np.unique(label, return_inverse=True)
    images = np.bincount(code)
    wrong = [np.bincount(code, weights=~side) for side in (first, second)]
    return float((wrong[0] * wrong[1] / images).sum() / len(label))


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan
