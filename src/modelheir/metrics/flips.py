r"""Flip metrics: how an update changes which images are right.

With counts ``NF`` of negative flips, ``PF`` of positive ones, ``N`` images and error rates ``ER``:

.. math::
    NFR = NF/N, \quad PFR = PF/N, \quad relative\,NFR = \frac{NFR}{(1 - ER_{old})\,ER_{new}}

Yan et al., "Positive-Congruent Training", 2021, arXiv:2011.09161, section 3. NFI is ``NF`` over the new model's errors
(Cai et al., 2022), PFI is ``PF`` over its right answers. BTC is the share of the old model's right answers that stay
right, BEC the share of errors that both models make (Srivastava et al., 2020), counted among the *new* model's errors
or among the *old* one's: say which. ``nfr_multi`` counts every change to a wrong class (MUSCLE, 2024,
arXiv:2407.09435).

Empty denominators: no new errors give NFI 0 and BEC 1; no right new answers give PFI 0; an old model that is never
right gives BTC 1; where no negative flip is possible relative NFR is 0. So ``BTC = 1 - NFR / Acc_old``, ``NFI = 1 -
BEC`` hold always. Without images every rate is NaN, and the functions that take predictions raise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modelheir.metrics.outcomes import count_outcomes, outcomes

__all__ = [
    "FRACTIONS",
    "Fraction",
    "backward_error_compatibility",
    "backward_trust_compatibility",
    "churn",
    "flip_rates",
    "negative_flip_impact",
    "negative_flip_rate",
    "negative_flip_rate_multiclass",
    "positive_flip_impact",
    "positive_flip_rate",
    "rates",
    "relative_negative_flip_rate",
]

_ALL = (0, 1, 2, 3, 4)


class Fraction(NamedTuple):
    """A ratio of sums over the five outcomes."""

    above: tuple[int, ...]  #: outcomes counted above the line
    below: tuple[int, ...]  #: outcomes counted below it
    empty: float = np.nan  #: the value where nothing is below

    def parts(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums above and below the line for counts ``(..., 5)``."""
        return counts[..., self.above].sum(axis=-1), counts[..., self.below].sum(axis=-1)

    def value(self, counts: np.ndarray) -> np.ndarray:
        """Return the ratio for counts ``(..., 5)``."""
        above, below = self.parts(counts)
        ratio = np.full(np.shape(above), self.empty)
        np.divide(above, below, out=ratio, where=below > 0)
        return np.where(counts.sum(axis=-1) > 0, ratio, np.nan)


FRACTIONS = {
    "accuracy_old": Fraction((0, 1), _ALL),
    "accuracy_new": Fraction((0, 2), _ALL),
    "nfr": Fraction((1,), _ALL),
    "pfr": Fraction((2,), _ALL),
    "nfi": Fraction((1,), (1, 3, 4), empty=0.0),
    "pfi": Fraction((2,), (0, 2), empty=0.0),
    "churn": Fraction((1, 2, 4), _ALL),
    "nfr_multi": Fraction((1, 4), _ALL),
    "btc": Fraction((0,), (0, 1), empty=1.0),
    "bec_new": Fraction((3, 4), (1, 3, 4), empty=1.0),
    "bec_old": Fraction((3, 4), (2, 3, 4), empty=1.0),
}  #: name -> what is counted over what; relative NFR is the one that is not such a fraction


def rates(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return every flip metric for counts of outcomes.

    Args:
        counts: Shape ``(..., 5)``, in the order of :data:`~modelheir.metrics.outcomes.OUTCOMES`.

    Returns:
        Name to values of shape ``(...)``: the names of :data:`FRACTIONS`, ``accuracy_gain`` and ``relative_nfr``.

    Example:
        >>> found = rates(np.array([4, 2, 2, 0, 0]))
        >>> float(found["nfr"]), float(found["btc"]), round(float(found["relative_nfr"]), 4)
        (0.25, 0.6666666666666666, 1.3333)
    """
    counts = np.asarray(counts)
    found = {name: fraction.value(counts) for name, fraction in FRACTIONS.items()}
    total = counts.sum(axis=-1)
    gain = np.full(np.shape(total), np.nan)  # from the counts: the difference of the accuracies would be rounded twice
    np.divide(counts[..., 2] - counts[..., 1], total, out=gain, where=total > 0)
    found["accuracy_gain"] = gain
    chance = found["accuracy_old"] * (1 - found["accuracy_new"])
    relative = np.where(np.isnan(chance), np.nan, 0.0)
    np.divide(found["nfr"], chance, out=relative, where=chance > 0)
    found["relative_nfr"] = relative
    return found


def flip_rates(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Return every flip metric for two models' predictions, each ``(N,)``; see :func:`rates` for the names.

    Raises:
        ValueError: If the shapes differ or there are no images.
    """
    counts = count_outcomes(outcomes(old, new, label))[0]
    if not counts.sum():
        raise ValueError("flip metrics need at least one image")
    return {name: float(value) for name, value in rates(counts).items()}


def negative_flip_rate(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return the share of all images that the old model has right and the new one wrong, 0 to 1, lower is better.

    >>> negative_flip_rate([0, 1, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1])
    0.25
    """
    return flip_rates(old, new, label)["nfr"]


def positive_flip_rate(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return the share of all images that the old model has wrong and the new one right, 0 to 1, higher is better.

    >>> positive_flip_rate([0, 1, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1])
    0.25
    """
    return flip_rates(old, new, label)["pfr"]


def relative_negative_flip_rate(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return NFR over that of two independent models of the same accuracies, ``>= 0``, lower is better; can exceed 1.

    >>> relative_negative_flip_rate([0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0])
    1.0
    """
    return flip_rates(old, new, label)["relative_nfr"]


def negative_flip_impact(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return negative flips over the new model's errors, 0 to 1, lower is better; 0 where it makes none.

    >>> negative_flip_impact([0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1])
    0.5
    """
    return flip_rates(old, new, label)["nfi"]


def positive_flip_impact(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return positive flips over the new model's right answers, 0 to 1; 0 where it has none.

    >>> positive_flip_impact([0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0])
    0.25
    """
    return flip_rates(old, new, label)["pfi"]


def churn(old: np.ndarray, new: np.ndarray) -> float:
    """Return the share of images whose predicted class changed, 0 to 1, lower is better; needs no labels.

    >>> churn([0, 1, 2], [0, 2, 2])
    0.3333333333333333
    """
    return flip_rates(old, new, new)["churn"]


def negative_flip_rate_multiclass(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return the share of images whose prediction changed to a wrong class, 0 to 1, lower is better.

    >>> negative_flip_rate_multiclass([0, 1, 2, 2], [1, 2, 2, 2], [0, 0, 0, 2])
    0.5
    """
    return flip_rates(old, new, label)["nfr_multi"]


def backward_trust_compatibility(old: np.ndarray, new: np.ndarray, label: np.ndarray) -> float:
    """Return the share of the old model's right answers that the new one keeps, 0 to 1, higher is better.

    >>> backward_trust_compatibility([0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1])
    0.6666666666666666
    """
    return flip_rates(old, new, label)["btc"]


def backward_error_compatibility(
    old: np.ndarray, new: np.ndarray, label: np.ndarray, *, errors_of: str = "new"
) -> float:
    """Return the share of one model's errors that the other makes too (it may name another wrong class), 0 to 1.

    Args:
        old: Classes the old model predicts, shape ``(N,)``.
        new: Classes the new model predicts, shape ``(N,)``.
        label: True classes, shape ``(N,)``.
        errors_of: ``new`` counts among the new model's errors, ``old`` among the old one's.

    Example:
        >>> old, new, label = [0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]
        >>> [backward_error_compatibility(old, new, label, errors_of=model) for model in ("new", "old")]
        [0.5, 1.0]
    """
    if errors_of not in ("new", "old"):
        raise ValueError(f"errors_of must be 'new' or 'old', got {errors_of!r}")
    return flip_rates(old, new, label)[f"bec_{errors_of}"]
