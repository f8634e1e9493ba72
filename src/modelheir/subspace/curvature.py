r"""What a run of steps has told of curvature: an inverse Hessian that begins sensibly, doubts noise and can forget.

The first pair gives the scale, ``B = a (s's / s'y) I``; later pairs are damped; where the condition of ``B`` shows that
it has gone astray, it is that scale again. Nocedal and Wright ("Numerical Optimization", 2nd edition, 2006, eq. 6.20)
take ``s'y / y'y``, the shorter of the two lengths that Barzilai and Borwein (1988) derive from a pair. It fits the
steepest direction and is too short for all others; BFGS takes back too much soon, and too little only slowly. Steps on
quadratics of 32 coordinates to a gap of 1e-10, for curvatures 0.1 to 20, 1 to 1000 and 0.001 to 1 (medians of 10):

==================  ===  ===  ===
``a`` = 1            51   85   85
``a`` = 10           29   41   41
identity, unscaled   33   32  151
==================  ===  ===  ===

With ``s'y / y'y`` it was 72 and 124 in the first two. What the unscaled identity does depends on the units of the loss.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modelheir.subspace.inverse_bfgs import bent, damped_change, updated_inverse

__all__ = ["Curvature", "condition"]

_BENT = 1e-8  #: least cosine of a pair that is used
_POSITIVE = 1e-20  #: least ``y's`` of one, by the published programs


class Curvature(NamedTuple):
    """A value: replaced, never edited."""

    inverse: np.ndarray  #: ``B``, float64 ``(n, n)``
    step: np.ndarray  #: ``s``, ``(n,)``, the last accepted one
    gradient: np.ndarray  #: where it began, ``(n,)``
    seen: bool = False  #: whether the two are of a step
    curved: bool = False  #: whether ``B`` has learnt since it was a multiple of the identity
    scale: float = 1.0  #: of that identity

    @classmethod
    def unknown(cls, count: int) -> Curvature:
        """Return what is known of ``count`` coordinates at first: the identity.

        >>> Curvature.unknown(2).inverse
        array([[1., 0.],
               [0., 1.]])
        """
        return cls(np.eye(count), np.zeros(count), np.zeros(count))

    def learnt(self, gradient: np.ndarray, *, damping: float, most: float, scale: float = 10.0) -> Curvature:
        """Return what is known after the pair of the last step and the gradient where it led.

        Args:
            gradient: ``(n,)``.
            damping: Share of the expected curvature that a pair must show, or it is mixed with what was expected; 0
                leaves out pairs without curvature.
            most: Condition of ``B`` above which it is forgotten.
            scale: ``a``, above 0, of the first pair.

        Returns:
            The same where the pair says nothing.
        """
        change, known = gradient - self.gradient, self
        angle = bent(self.step, change)
        if angle > _BENT and not self.curved:
            scale *= float(self.step @ self.step) / float(self.step @ change)
            known = self._replace(inverse=scale * np.eye(len(change)), scale=scale)
        elif self.curved and damping and self.step.any():
            change = damped_change(self.inverse, self.step, change, share=damping)
            angle = bent(self.step, change)
        if angle <= _BENT:
            return self
        found = known._replace(inverse=updated_inverse(known.inverse, self.step, change), curved=True)
        return found if condition(found.inverse) <= most else known.forgotten()

    def learnt_plainly(self, gradient: np.ndarray) -> Curvature:
        """Return the same by the rule of the published programs: any pair of ``y's > 1e-20``, as it is."""
        change = gradient - self.gradient
        if float(self.step @ change) <= _POSITIVE:
            return self
        return self._replace(inverse=updated_inverse(self.inverse, self.step, change))

    def forgotten(self) -> Curvature:
        """Return what is left once ``B`` is a multiple of the identity again."""
        return self._replace(inverse=self.scale * np.eye(len(self.step)), curved=False)


def condition(inverse: np.ndarray) -> float:
    """Return the largest eigenvalue of a symmetric matrix over the smallest; infinity where one is not positive.

    >>> condition(np.diag([4.0, 1.0]))
    4.0
    """
    if not len(inverse):
        return 1.0
    values = np.linalg.eigvalsh(inverse)
    return float(values[-1] / values[0]) if values[0] > 0 else float("inf")
