"""The release gate: bounds set beforehand, and what the images say about them: ship, hold, or not enough images.

Each bound is judged by an interval. ``ship``: the unfavourable end meets the bound (the upper end of NFR, the lower end
of the accuracy gain). ``hold``: the favourable end misses it. Else the images are too few, and the gate says how many
more would decide if the rate stays as it is seen: a plan, right about every second time, no promise.

The release ships when every required bound ships, and is held as soon as one is clearly missed. That all bounds, all
classes and all slices are met is claimed only where each of them is shown to be (an intersection-union test: Berger,
1982), so what ships needs no correction for their number. That some class misses its bound is claimed by the worst of
many, so that end is Bonferroni's: its confidence is ``1 - (1 - confidence) / classes``, or ``/ slices`` of all columns.

Intervals: exact ones of shares, :func:`~modelheir.metrics.statistics.paired.paired_difference` for the gain,
:func:`~modelheir.metrics.calibration.calibration_interval` for the calibration error. Each end is wrong with at most
half of ``1 - confidence``, so a release that lies on its bound ships wrongly in at most 2.5 % of the cases at 95 %.
``sequential`` takes the intervals of :mod:`~modelheir.metrics.statistics.sequential`, which hold at all looks
together: a gate that is asked after every image errs no more often than that. ``point`` judges the estimates instead.
Without a bound on slices, a note names those that are worse.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelheir.analysis.gate.bounds import (
    WORDS,
    GateConfig,
    measure,
    measure_groups,
    measure_share,
)
from modelheir.analysis.gate.checking import check_bound
from modelheir.analysis.gate.notes import SEQUENTIAL, near_chance, worse_slices
from modelheir.analysis.gate.verdict import HOLD, SHIP, SHOWN, UNDECIDED, Check, Verdict
from modelheir.analysis.replay import Replay
from modelheir.checks import InputError, nearest
from modelheir.metrics.statistics.correction import bonferroni_confidence

__all__ = ["conclude", "judge"]

_MANY = {"class": "classes", "slice": "slices"}


def judge(
    config: GateConfig,
    counts: np.ndarray,
    *,
    class_counts: np.ndarray,
    class_names: Sequence[str],
    slice_counts: np.ndarray | None = None,
    slice_names: Sequence[str] = (),
    reliability: Sequence[Mapping[str, Any]] | None = None,
    replay: Replay | None = None,
) -> Verdict:
    """Hold a comparison against the bounds.

    Args:
        config: The bounds.
        counts: Outcome counts over all images, shape ``(5,)``.
        class_counts: The same by label, shape ``(C, 5)``.
        class_names: One a class.
        slice_counts: The same by slice, of all columns, shape ``(S, 5)``; ``None`` without slices.
        slice_names: One a slice, such as ``country = jp``.
        reliability: The new model's reliability table; ``None`` where it has no scores.
        replay: Images that earlier releases broke, on the new model; ``None`` where none were replayed.

    Returns:
        The verdict with every bound, its value and interval, and the class or slice that it judges.

    Raises:
        InputError: If there is a bound and not what it is about: slices, the new model's scores, remembered images.
    """
    found: list[Check] = []
    notes: list[str] = []
    groups = {"class": (class_counts, class_names), "slice": (slice_counts, slice_names)}
    for bounds, advisory in ((config, False), (config.advisory, True)):
        of = bounds.given
        if "max_slice_nfr" in of and slice_counts is None:
            raise InputError("a bound on slices (max_slice_nfr) needs slices: name the column to slice by.")
        if "max_ece" in of and reliability is None:
            raise InputError(
                "a bound on the calibration error (max_ece) needs the new model's scores: "
                "give a file with logits or probabilities."
            )
        if "max_replayed" in of and replay is None:
            raise InputError(
                "a bound on remembered images (max_replayed) needs the list of them: give it to replay (--replay FILE)."
            )
        for name, bound in of.items():
            kind = next((kind for kind in groups if name == f"max_{kind}_nfr"), "")
            if kind:
                made = _groups(kind, bound, config, *groups[kind], notes)  # type: ignore[arg-type]
            elif name == "max_replayed":
                made = _replayed(bound, config, replay)  # type: ignore[arg-type]
            else:
                measured = measure(name, counts, reliability, sequential=config.sequential)
                made = check_bound(name, bound, config, [WORDS[name]], measured)
            found += [dataclasses.replace(check, advisory=advisory) for check in made]
    sliced = [one.max_slice_nfr for one in (config, config.advisory) if one.max_slice_nfr is not None]
    if slice_counts is not None and all(isinstance(bound, Mapping) for bound in sliced):  # some at most are judged
        judged = bool(found) and not sliced
        notes += worse_slices(config.confidence, counts, slice_counts, slice_names, judged=judged)
    if found:
        notes += near_chance(config.confidence, counts, class_counts, class_names)
    if found and config.sequential:
        notes.append(SEQUENTIAL)
    return conclude(config, found, notes)


def conclude(config: GateConfig, found: Sequence[Check], notes: Sequence[str]) -> Verdict:
    """Put the checks of all bounds together: what is missed holds, what is open leaves it open, all else ships."""
    said = {check.verdict for check in found if not check.advisory}
    verdict = next((one for one in (HOLD, UNDECIDED, SHIP) if one in said), None)
    return Verdict(verdict, tuple(notes), tuple(found), config)


def _groups(
    kind: str,
    bound: float | Mapping[str, float],
    config: GateConfig,
    counts: np.ndarray,
    names: Sequence[str],
    notes: list[str],
) -> list[Check]:
    """Check the bound on single classes or slices: those that miss it first, then the undecided, worst first."""
    name, many = f"max_{kind}_nfr", _MANY[kind]
    bounds = np.full(len(names), bound) if isinstance(bound, float | int) else np.array(list(bound.values()), float)
    if isinstance(bound, Mapping):
        counts, names = counts[[_place(kind, group, names) for group in bound]], list(bound)
    total = counts.sum(axis=1)
    small = np.flatnonzero(total < config.min_class_count)
    if small.size:
        named = ", ".join(names[int(k)] for k in small[:SHOWN]) + (", ..." if small.size > SHOWN else "")
        few = "no images" if not total[small].any() else f"fewer than {config.min_class_count} images"
        said = f"1 {kind} has {few} and was" if small.size == 1 else f"{small.size} {many} have {few} and were"
        notes.append(f"{said} not judged: {named}.")
    judged = np.flatnonzero(total >= config.min_class_count)
    if not judged.size:
        sentence = f"no {kind} has the {config.min_class_count} images that the bound on {many} asks for."
        return [Check(name, UNDECIDED, sentence, bound=None if isinstance(bound, Mapping) else bound)]
    known = [names[int(k)] for k in judged]
    measured = measure_groups(counts[judged], sequential=config.sequential)
    made = check_bound(name, bounds[judged], config, [f"NFR of {kind} {group}" for group in known], measured)
    made = [
        dataclasses.replace(check, kind=kind, group=group, n=int(n))
        for check, group, n in zip(made, known, measured.n, strict=True)
    ]
    if len(made) > 1 and not config.point and any(check.verdict == HOLD for check in made):
        each = bonferroni_confidence(config.confidence, len(made))
        notes.append(f"That a {kind} misses its bound is judged at {each:.4%} (Bonferroni for {len(made)} {many}).")
    order = [HOLD, UNDECIDED, SHIP]

    def worst(check: Check) -> tuple[int, float]:
        end = check.value if config.point else (check.interval or (None, None))[1]
        return order.index(check.verdict), -float(end or 0.0)

    return sorted(made, key=worst)


def _place(kind: str, group: str, names: Sequence[str]) -> int:
    """Return the number of the group of a name."""
    if group not in names:
        some = nearest(group, names) or f" There are {', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}."
        raise InputError(f"max_{kind}_nfr bounds {group!r}, and there is no such {kind}.{some}")
    return names.index(group)


def _replayed(bound: float, config: GateConfig, replay: Replay) -> list[Check]:
    """Check the bound on remembered images; where none is remembered yet, none is wrong again."""
    name = "max_replayed"
    if replay.n:
        measured = measure_share(replay.wrong, replay.n, sequential=config.sequential)
        return check_bound(name, bound, config, [WORDS[name]], measured)
    if not replay.gone and not replay.own:
        return [Check(name, SHIP, "no image is remembered yet, so none is wrong again.", bound=bound)]
    sentence = (
        f"no remembered image can be judged: {replay.gone:,} are gone from the data, and {replay.own:,} are of this "
        "very release (name each release's folder or file differently)."
    )
    return [Check(name, UNDECIDED, sentence, bound=bound)]
