"""Compare two models on the same images: flips with intervals, by class and by slice, and the verdict of the gate.

The release decision of ``modelheir compare``. All rates are fractions from 0 to 1. Intervals: exact ones for rates that
are shares, those of :mod:`~modelheir.metrics.statistics.paired` for the accuracy gain and the relative NFR. p-values
are McNemar's exact ones; those of classes and slices are corrected by Holm within their table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from modelheir import checks
from modelheir.analysis.columns import slice_values
from modelheir.analysis.comparison import Comparison, Counts, Flips, Group, GroupRates, Rates
from modelheir.analysis.confusion import answers, confusions
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.analysis.gate.judge import judge
from modelheir.analysis.pairing import Pair, pair_up
from modelheir.analysis.record import Ends, Rate
from modelheir.analysis.replay import replayed
from modelheir.analysis.scores import score_tables
from modelheir.checks import InputError
from modelheir.metrics.calibration import BINS
from modelheir.metrics.flips import FRACTIONS, rates
from modelheir.metrics.outcomes import OUTCOMES, count_outcomes, outcomes
from modelheir.metrics.statistics.correction import CORRECTIONS
from modelheir.metrics.statistics.intervals import exact, minimal_detectable_nfr
from modelheir.metrics.statistics.mcnemar import mcnemar
from modelheir.metrics.statistics.paired import paired_difference, relative_nfr_interval
from modelheir.runs.by_id.remembered import Remembered
from modelheir.types import Predictions

__all__ = ["compare"]

_SHARES = ("accuracy_old", "accuracy_new", "nfr", "pfr")  #: rates of a class or slice that get intervals
_OF_GROUPS = tuple(field.name for field in dataclasses.fields(GroupRates))
_MOST_VALUES = 1000  #: of a slice column
_CONVENTIONS = {
    "new": "share of the new model's errors that the old model makes too",
    "old": "share of the old model's errors that the new model makes too",
}


def compare(
    old: Predictions,
    new: Predictions,
    *,
    slices: Sequence[str] = (),
    confidence: float = 0.95,
    gate: GateConfig | None = None,
    errors_of: str = "new",
    correction: str = "holm",
    bins: int = BINS,
    max_flips: int | None = None,
    names: tuple[str, str] = ("the old file", "the new file"),
    remembered: Remembered | None = None,
    release: tuple[str, str] = ("", ""),
) -> Comparison:
    """Compare an old model with a new one.

    Args:
        old: What the old model said.
        new: What the new model said about the same images, in any order.
        slices: Names of columns; each of their values gets a row of its own.
        confidence: Two-sided coverage of the intervals shown, between 0 and 1.
        gate: Bounds; ``None`` sets none.
        errors_of: Convention of ``bec``: errors of the ``new`` or of the ``old`` model below the line.
        correction: ``holm`` or ``benjamini_hochberg``, for the p-values of classes and of slices.
        bins: Of the calibration error.
        max_flips: Sample ids listed of each kind of flip; ``None`` lists all.
        names: What to call the two in errors.
        remembered: Images that earlier releases broke; ``None`` replays none.
        release: Short name and file of the new model, whose own images of that list are left out.

    Returns:
        The comparison. A rate that is not defined is ``None``. ``minimal_detectable_nfr`` is the half-width of the
        NFR's interval; where no image flipped, it is that interval's upper end, since that many flips may have been
        missed.

    Raises:
        InputError: If the files do not describe the same images, a column is unknown, or slices have a bound and no
            column is named.
        ValueError: If a setting is out of range.

    Example:
        >>> ids, label = np.array(list("abcd")), np.array([0, 1, 2, 0])
        >>> old, new = (Predictions(ids, label, np.array(said)) for said in ([0, 1, 2, 1], [0, 1, 1, 0]))
        >>> found = compare(old, new)
        >>> found.rates.nfr.value, found["pfr"], found.flips.negative
        (0.25, 0.25, ('c',))
    """
    checks.one_of(_CONVENTIONS, errors_of=errors_of)
    checks.one_of(CORRECTIONS, correction=correction)
    pair = pair_up(old, new, names=names)
    codes = outcomes(pair.old.prediction, pair.new.prediction, pair.label)
    counts = count_outcomes(codes)[0]
    if pair.unlabelled and not counts[[0, 3]].any():
        raise InputError(
            f"all {len(codes):,} labelled images are ones on which the models disagree, so rates over them say nothing "
            "of all images: compare with --labels FILE (compare_labelled in Python), which is made for such labels."
        )
    by_class = count_outcomes(codes, group=pair.place(pair.label), groups=pair.count)
    confused = confusions(pair)
    class_names = confused.names
    found = _rates(counts, confidence, errors_of)
    seen = np.flatnonzero(by_class.sum(axis=1))
    heads = [(class_names[int(k)], "") for k in seen]
    classes = zip(_groups(by_class[seen], heads, confidence, correction), answers(confused, seen), strict=True)
    sliced = [_slice(pair, column, codes, confidence, correction) for column in slices]
    rows = tuple(row for table, _ in sliced for row in table)
    scores = score_tables(pair, codes, confidence=confidence, bins=bins)
    replay = None
    if remembered is not None:
        wrong = pair.new.prediction != pair.label
        replay = replayed(remembered, pair.sample_id, wrong, release=release, confidence=confidence)
    verdict = judge(
        gate or GateConfig(),
        counts,
        class_counts=by_class,
        class_names=class_names,
        slice_counts=np.concatenate([table for _, table in sliced]) if sliced else None,
        slice_names=[f"{row.column} = {row.name}" for row in rows],
        reliability=scores.reliability.get("new") if scores else None,
        replay=replay,
    )
    listed = (tuple(pair.sample_id[np.flatnonzero(codes == code)[:max_flips]].tolist()) for code in (1, 2))
    return Comparison(
        n=len(codes),
        n_unlabelled=pair.unlabelled,
        n_classes=int(pair.numbers[-1]) + 1,
        rates=found,
        bec_convention=_CONVENTIONS[errors_of],
        confidence=confidence,
        counts=Counts(**{name: int(count) for name, count in zip(OUTCOMES, counts, strict=True)}),
        mcnemar_p=mcnemar(int(counts[1]), int(counts[2])),
        minimal_detectable_nfr=_resolution(counts, found.nfr.value, confidence),
        correction=correction,
        classes=tuple(dataclasses.replace(group, answers=of) for group, of in classes),
        slices=rows,
        confusion=confused,
        scores=scores,
        gate=verdict,
        flips=Flips(*listed),
        replay=replay,
    )


def _resolution(counts: np.ndarray, nfr: float | None, confidence: float) -> float:
    """Return the NFR that so many images can tell from the one seen; with no flip seen, the most it may still be."""
    count = int(counts.sum())
    return (
        minimal_detectable_nfr(count, nfr=nfr, confidence=confidence)
        if nfr
        else exact(0, count, confidence=confidence)[1]
    )


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _rates(counts: np.ndarray, confidence: float, errors_of: str) -> Rates:
    """Return every rate over all images, with its interval."""
    values = rates(counts)
    found = {name: _number(value) for name, value in values.items()}
    shares = {name: part for name, part in FRACTIONS.items() if not name.startswith("bec_")}
    found["bec"], shares["bec"] = found[f"bec_{errors_of}"], FRACTIONS[f"bec_{errors_of}"]
    ends: dict[str, Ends] = {
        name: exact(*(int(part) for part in fraction.parts(counts)), confidence=confidence)
        for name, fraction in shares.items()
    }
    ends["accuracy_gain"] = paired_difference(counts, confidence=confidence)
    ends["relative_nfr"] = relative_nfr_interval(counts, confidence=confidence)
    return Rates(**{name: Rate(found[name], ends[name]) for name in ends})


def _groups(
    counts: np.ndarray, heads: Sequence[tuple[Any, str]], confidence: float, correction: str
) -> tuple[Group, ...]:
    """Tabulate groups of images, each at least one image strong; heads are a name and a column."""
    found = rates(counts)
    total = counts.sum(axis=1)
    ends = {name: exact(*FRACTIONS[name].parts(counts), confidence=confidence) for name in _SHARES}
    p = mcnemar(counts[:, 1], counts[:, 2])
    corrected = CORRECTIONS[correction](p)
    rows = []
    for k, (name, column) in enumerate(heads):
        of = {
            rate: Rate(_number(found[rate][k]), (float(ends[rate][0][k]), float(ends[rate][1][k])))
            if rate in ends
            else Rate(_number(found[rate][k]))
            for rate in _OF_GROUPS
        }
        rows.append(Group(name, column, int(total[k]), GroupRates(**of), float(p[k]), float(corrected[k])))
    return tuple(rows)


def _slice(
    pair: Pair, column: str, codes: np.ndarray, confidence: float, correction: str
) -> tuple[tuple[Group, ...], np.ndarray]:
    """Tabulate the values of one column, with their outcome counts; an empty cell is a value of its own, the last."""
    numbers, words = slice_values(pair, column)
    if len(words) > _MOST_VALUES:
        raise InputError(f"column {column!r} has {len(words):,} values, too many for slices: group them into fewer.")
    counts = count_outcomes(codes, group=numbers, groups=len(words))
    heads = [("(empty)" if word is None else word, column) for word in words]
    order = sorted(range(len(words)), key=lambda k: _place(words[k]))
    return _groups(counts[order], [heads[k] for k in order], confidence, correction), counts[order]


def _place(word: Any) -> tuple[bool, bool, float, str]:
    """Numbers by size, then texts by alphabet, then the empty cell."""
    number = isinstance(word, int | float)
    return word is None, not number, float(word) if number else 0.0, "" if number else str(word)
