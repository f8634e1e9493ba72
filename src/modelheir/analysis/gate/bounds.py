"""What the release gate can ask for: bounds on rates, each a setting, and how a rate's interval narrows with images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np

from modelheir import checks
from modelheir.checks import AtLeast, InputError, InRange, OneOf
from modelheir.metrics.calibration import calibration_interval
from modelheir.metrics.flips import FRACTIONS
from modelheir.metrics.statistics.intervals import exact
from modelheir.metrics.statistics.paired import paired_difference
from modelheir.metrics.statistics.sequential import sequence, sequence_of_gain

__all__ = ["WORDS", "Bounds", "GateConfig", "Measured", "images_needed", "measure", "measure_groups", "measure_share"]

MOST_IMAGES = 10**9  #: where even so many would not decide, none would


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Bounds on what a release may do; those left out are not checked. All are fractions."""

    max_nfr: Annotated[float, InRange(0, 1)] | None = None  #: largest NFR over all images
    max_class_nfr: Annotated[float, InRange(0, 1)] | None = None  #: largest NFR within any one class
    max_slice_nfr: Annotated[float | Mapping[str, float], InRange(0, 1)] | None = None  #: of any slice, or by name
    min_kept: Annotated[float, InRange(0, 1)] | None = None  #: smallest share of right answers kept (BTC)
    min_accuracy_gain: Annotated[float, InRange(-1, 1)] | None = None  #: smallest new minus old accuracy
    max_churn: Annotated[float, InRange(0, 1)] | None = None  #: largest share of predictions that changed
    max_ece: Annotated[float, InRange(0, 1)] | None = None  #: largest calibration error of the new model
    max_replayed: Annotated[float, InRange(0, 1)] | None = None  #: largest share of remembered images wrong again

    def __post_init__(self) -> None:
        checks.validate(self)
        if isinstance(self.max_slice_nfr, Mapping) and not self.max_slice_nfr:
            raise checks.InputError("max_slice_nfr names no slice: write `country = jp: 0.01`, or leave it out.")

    @property
    def given(self) -> dict[str, Any]:
        """The bounds that are set."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(Bounds)}
        return {name: value for name, value in values.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class GateConfig(Bounds):
    """The release gate: its bounds, and how they are held against the images."""

    confidence: Annotated[float, InRange(0.5, 0.999999)] = 0.95  #: two-sided, of the intervals that decide
    point: bool = False  #: judge the estimates and leave the intervals out
    min_class_count: Annotated[int, AtLeast(1)] = 1  #: smaller classes and slices are named, not judged
    undecided: Annotated[str, OneOf("", "ship", "hold")] = ""  #: what to do where there are not enough images
    sequential: bool = False  #: intervals that hold at all looks together, so that one may look early and often
    advisory: Bounds = dataclasses.field(
        default_factory=Bounds
    )  #: bounds that are judged and shown, and decide nothing
    policy: str = ""  #: file that the bounds come from
    policy_sha256: str = ""  #: of that file

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sequential and self.point:
            raise InputError("sequential and point contradict each other: point leaves out the intervals; drop one.")
        if self.sequential and any(bounds.max_ece is not None for bounds in (self, self.advisory)):
            raise InputError(
                "the calibration error has no interval that holds at all looks together: "
                "leave out max_ece, or sequential."
            )


WORDS = {
    "max_nfr": "NFR",
    "max_class_nfr": "NFR of class",
    "max_slice_nfr": "NFR of slice",
    "min_kept": "share of right answers kept",
    "min_accuracy_gain": "accuracy gain",
    "max_churn": "churn",
    "max_ece": "calibration error of the new model",
    "max_replayed": "share of remembered images that are wrong again",
}
_SHARES = {"max_nfr": "nfr", "min_kept": "btc", "max_churn": "churn"}  #: bounds on a share of images
_SHARE = {False: exact, True: sequence}  #: whether one looks at all times -> the interval of a share
_GAIN = {False: paired_difference, True: sequence_of_gain}  #: and of the accuracy gain


class Measured(NamedTuple):
    """A rate, or the rates of several groups, and its interval for a multiple of the images seen."""

    value: Any  #: float, or array of shape ``(G,)``
    n: Any  #: images behind it
    ends: Callable[[Any, float], tuple[Any, Any]]  #: (multiple of the images, confidence) -> low and high end
    unit: str = "image"  #: what ``n`` counts, and what more of would decide


def measure(
    name: str, counts: np.ndarray, reliability: Sequence[Mapping[str, Any]] | None, *, sequential: bool = False
) -> Measured:
    """Return what a bound over all images is about.

    Args:
        name: The bound.
        counts: Outcome counts over all images, shape ``(5,)``.
        reliability: The new model's reliability table; ``max_ece`` alone needs it.
        sequential: Give intervals that hold at all looks together; there are none for ``max_ece``.
    """
    if name == "min_accuracy_gain":
        gain, of = float(counts[2] - counts[1]) / float(counts.sum()), _GAIN[sequential]
        return Measured(gain, int(counts.sum()), lambda k, c: of(counts * k, confidence=c))
    if name == "max_ece":
        assert reliability is not None
        n = sum(row["n"] for row in reliability)
        error = sum(row["n"] * abs(row["accuracy"] - row["confidence"]) for row in reliability) / n
        return Measured(error, n, lambda k, c: calibration_interval(reliability, confidence=c, scale=k))
    return _share(_SHARES[name], counts, sequential)


def measure_groups(counts: np.ndarray, *, sequential: bool = False) -> Measured:
    """Return the NFR of groups of images, from their outcome counts, shape ``(G, 5)``, each with at least one image."""
    return _share("nfr", counts, sequential)


def measure_share(count: int, total: int, *, sequential: bool = False) -> Measured:
    """Return a share of images other than the comparison's, from a count and its total, ``>= 1``."""
    of = _SHARE[sequential]
    return Measured(count / total, total, lambda k, c: of(count * k, total * k, confidence=c))


def _share(rate: str, counts: np.ndarray, sequential: bool) -> Measured:
    fraction, of = FRACTIONS[rate], _SHARE[sequential]
    above, below = fraction.parts(counts)
    return Measured(fraction.value(counts), below, lambda k, c: of(above * k, below * k, confidence=c))


def images_needed(decided: Callable[[np.ndarray], np.ndarray], n: np.ndarray) -> list[int | None]:
    """Return how many more images would decide, if the rates stay as they are.

    Args:
        decided: Multiples of the images seen, shape ``(G,)`` -> whether each group is then decided; once it is, more
            images keep it so.
        n: Images seen, shape ``(G,)``, each ``>= 1``; not decided yet.

    Returns:
        Images beyond those seen, a group; ``None`` where no number of them decides, because the rate lies on the bound.

    Example:
        >>> images_needed(lambda k: k * 100 >= 250, np.array([100]))
        [150]
    """
    n = np.asarray(n, np.float64)
    enough = n.copy()
    while True:  # the first power of two that decides
        open_ = ~decided(enough / n) & (enough < MOST_IMAGES)
        if not open_.any():
            break
        enough = np.where(open_, enough * 2, enough)
    never = ~decided(enough / n)
    few, enough = np.floor(enough / 2), np.ceil(enough)
    while (enough - few > 1).any():
        middle = np.floor((few + enough) / 2)
        yes = decided(middle / n)
        few, enough = np.where(yes, few, middle), np.where(yes, middle, enough)
    return [None if no else int(count - seen) for no, count, seen in zip(never, enough, n, strict=True)]
