"""The release gate: bounds set beforehand, and whether a comparison shows that they are met.

A bound is met when the unfavourable end of the interval meets it: the upper end of NFR, the lower end of the accuracy
gain. The bounds on single classes and on slices use Wilson intervals at ``1 - (1 - confidence) / classes`` or
``/ slices`` (Bonferroni; all slices of all columns count), so that all of a bound's intervals hold together with the
stated confidence. ``point`` judges the estimates instead. Without a bound on slices, a note names those that are worse.

Verdict: ``promote`` when every bound is shown to be met, ``reject`` when one is shown to be missed (its favourable end
misses it too), ``hold`` when the data cannot tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from modelheir import checks
from modelheir.analysis.record import Ends, Record
from modelheir.checks import AtLeast, InputError, InRange
from modelheir.metrics.correction import bonferroni_confidence
from modelheir.metrics.flips import FRACTIONS, rates
from modelheir.metrics.intervals import paired_difference, wilson

__all__ = ["Check", "GateConfig", "Verdict", "judge"]


@dataclasses.dataclass(frozen=True)
class GateConfig:
    """Bounds of the release gate; those left out are not checked."""

    max_nfr: Annotated[float, InRange(0, 1)] | None = None  #: largest NFR over all images
    max_class_nfr: Annotated[float, InRange(0, 1)] | None = None  #: largest NFR within any one class
    max_slice_nfr: Annotated[float, InRange(0, 1)] | None = None  #: largest NFR within any one slice
    min_accuracy_gain: Annotated[float, InRange(-1, 1)] | None = None  #: smallest new minus old accuracy
    confidence: Annotated[float, InRange(0.5, 0.999999)] = 0.95  #: two-sided, of the intervals that decide
    point: bool = False  #: judge the estimates and leave the intervals out
    min_class_count: Annotated[int, AtLeast(1)] = 1  #: smaller classes and slices are named, not judged

    def __post_init__(self) -> None:
        checks.validate(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Check(Record):
    """One bound, held against all images, a class or a slice."""

    name: str  #: the bound's setting
    passed: bool  #: shown to be met
    missed: bool  #: shown to be missed
    sentence: str
    bound: float | None = None
    value: float | None = None  #: ``None`` where nothing could be judged
    interval: Ends | None = None
    kind: str = ""  #: ``class`` or ``slice``; empty for all images
    group: str = ""  #: which one
    n: int | None = None  #: its images

    def to_json(self) -> dict[str, Any]:
        """Return what was judged; a group stands under its kind."""
        found = super().to_json()
        kind, group = found.pop("kind"), found.pop("group")
        return {key: value for key, value in found.items() if value is not None} | ({kind: group} if kind else {})


@dataclasses.dataclass(frozen=True, eq=False)
class Verdict(Record):
    """What the gate says."""

    passed: bool | None  #: ``None`` without bounds
    verdict: str | None  #: promote, hold or reject; ``None`` without bounds
    reasons: tuple[str, ...]  #: a sentence for each bound that is not met
    notes: tuple[str, ...]
    checks: tuple[Check, ...]  #: every bound
    bounds: GateConfig

    @property
    def state(self) -> str:
        """One of ``pass``, ``hold`` (cannot tell), ``fail`` and ``none`` (no bounds set)."""
        return {None: "none", "promote": "pass", "hold": "hold", "reject": "fail"}[self.verdict]

    @property
    def met(self) -> tuple[str, ...]:
        """A sentence for each bound that is met."""
        return tuple(check.sentence for check in self.checks if check.passed)


def judge(
    config: GateConfig,
    counts: np.ndarray,
    *,
    class_counts: np.ndarray,
    class_names: Sequence[str],
    slice_counts: np.ndarray | None = None,
    slice_names: Sequence[str] = (),
) -> Verdict:
    """Hold a comparison against the bounds.

    Args:
        config: The bounds.
        counts: Outcome counts over all images, shape ``(5,)``.
        class_counts: The same by label, shape ``(C, 5)``.
        class_names: One a class.
        slice_counts: The same by slice, of all columns, shape ``(S, 5)``; ``None`` without slices.
        slice_names: One a slice, such as ``country = jp``.

    Returns:
        The verdict with every bound, its value and interval, and the class or slice that it judges.

    Raises:
        InputError: If slices have a bound and there are none.
    """
    if config.max_slice_nfr is not None and slice_counts is None:
        raise InputError("a bound on slices (max_slice_nfr) needs slices: name the column to slice by.")
    found: list[Check] = []
    notes: list[str] = []
    value = {name: float(rate) for name, rate in rates(counts).items()}
    if config.max_nfr is not None:
        ends = wilson(*FRACTIONS["nfr"].parts(counts), confidence=config.confidence)
        found.append(_hold("NFR", "max_nfr", value["nfr"], ends, config.max_nfr, config))
    if config.max_class_nfr is not None:
        found += _groups("class", config, class_counts, class_names, notes)
    if config.max_slice_nfr is not None and slice_counts is not None:
        found += _groups("slice", config, slice_counts, slice_names, notes)
    if config.min_accuracy_gain is not None:
        ends = paired_difference(counts, confidence=config.confidence)
        name = "accuracy gain"
        found.append(_hold(name, "min_accuracy_gain", value["accuracy_gain"], ends, config.min_accuracy_gain, config))
    if config.max_slice_nfr is None and slice_counts is not None:
        notes += _worse_slices(config, counts, slice_counts, slice_names, judged=bool(found))
    missed = [check for check in found if not check.passed]
    verdict = None if not found else "promote" if not missed else "hold"
    if any(check.missed for check in missed):
        verdict = "reject"
    reasons = tuple(check.sentence for check in missed)
    return Verdict(None if not found else not missed, verdict, reasons, tuple(notes), tuple(found), config)


def _groups(kind: str, config: GateConfig, counts: np.ndarray, names: Sequence[str], notes: list[str]) -> list[Check]:
    """Check the bound on single classes or slices; all that miss it are listed, or the worst one where none does."""
    bound, many = f"max_{kind}_nfr", {"class": "classes", "slice": "slices"}[kind]
    most = getattr(config, bound)
    total = counts.sum(axis=1)
    small = np.flatnonzero(total < config.min_class_count)
    if small.size:
        named = ", ".join(names[int(k)] for k in small[:5]) + (", ..." if small.size > 5 else "")
        few = "no images" if not total[small].any() else f"fewer than {config.min_class_count} images"
        said = f"1 {kind} has {few} and was" if small.size == 1 else f"{small.size} {many} have {few} and were"
        notes.append(f"{said} not judged: {named}.")
    judged = np.flatnonzero(total >= config.min_class_count)
    if not judged.size:
        sentence = f"no {kind} has the {config.min_class_count} images that the bound on {many} asks for."
        return [Check(bound, passed=False, missed=False, sentence=sentence)]
    each = bonferroni_confidence(config.confidence, len(judged))
    above, below = FRACTIONS["nfr"].parts(counts[judged])
    low, high = wilson(above, below, confidence=each)
    estimate = above / below
    if not config.point:
        notes.append(f"The bound on {many} uses intervals at {each:.4%} each (Bonferroni for {len(judged)} {many}).")
    deciding = estimate if config.point else high
    order = np.argsort(-deciding, kind="stable")
    wrong = [k for k in order if deciding[k] > most]
    found = []
    for k in wrong or order[:1]:
        name, ends = names[int(judged[k])], (float(low[k]), float(high[k]))
        check = _hold(f"NFR of {kind} {name}", bound, float(estimate[k]), ends, most, config)
        found.append(dataclasses.replace(check, kind=kind, group=name, n=int(below[k])))
    return found


def _worse_slices(
    config: GateConfig, counts: np.ndarray, slices: np.ndarray, names: Sequence[str], *, judged: bool
) -> list[str]:
    """Name the slices whose NFR is above that of all other images: Newcombe's interval of the difference, Bonferroni.

    Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10.
    """
    each = bonferroni_confidence(config.confidence, len(names))
    sides = [FRACTIONS["nfr"].parts(of) for of in (slices, counts - slices)]
    here, rest = (above / np.maximum(below, 1) for above, below in sides)
    low, high = (wilson(*side, confidence=each)[end] for side, end in zip(sides, (0, 1), strict=True))
    gap = here - rest - np.hypot(here - low, high - rest)
    worse = [k for k in np.argsort(-here, kind="stable") if gap[k] > 0]
    named = ", ".join(f"{names[int(k)]} ({here[k]:.2%} against {rest[k]:.2%})" for k in worse[:5])
    said = "Slices were not judged: max_slice_nfr sets no bound" if judged else ""
    if worse:
        more = f", and {len(worse) - 5} more" if len(worse) > 5 else ""
        said += f"{'; but n' if said else 'N'}ew mistakes are more frequent than in all other images in {named}{more}"
    return [f"{said}."] if said else []


def _hold(what: str, name: str, value: float, ends: tuple[float, float], bound: float, config: GateConfig) -> Check:
    """Check one bound: a name that starts with ``max`` is an upper one."""
    upper = name.startswith("max")
    bad, good = (ends[1], ends[0]) if upper else ends
    if config.point:
        bad = good = value

    def meets(number: float) -> bool:
        return number <= bound if upper else number >= bound

    shown = f"{value:.2%}" + ("" if config.point else f" [{ends[0]:.2%}, {ends[1]:.2%}]")
    side = "its estimate" if config.point else f"its {'upper' if upper else 'lower'} end"
    relation = ("at most" if upper else "at least") if meets(bad) else ("above" if upper else "below")
    sentence = f"{what} is {shown}: {side} is {relation} {bound:.2%}."
    return Check(name, meets(bad), not meets(good), sentence, bound=bound, value=value, interval=ends)
