"""Find groups of like images in which the new model breaks more, without being told where to look.

A hash of the sample id splits the images in halves. On the finding half the features are clustered, for several numbers
of clusters; a group is a cluster, the images of one class in it, or the images furthest along the direction in which
the newly wrong ones differ from the others. Those in which the new model breaks most beyond its rate elsewhere
(Fisher's test) are kept, none of which shares half of its images with a better one. The testing half, which had no part
in this, then decides: Fisher's one-sided test of the NFR in the group against that of all other images, the p-values
corrected by Benjamini and Hochberg. So the expected share of false groups among those found stays below the level,
whatever the features are worth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from modelheir.analysis.pairing import Pair, pair_up
from modelheir.analysis.record import Rate
from modelheir.analysis.slices.clusters import k_means, nearest_centre
from modelheir.analysis.slices.direction import tails
from modelheir.analysis.slices.found import FoundSlice, FoundSlices, Member
from modelheir.analysis.slices.halves import Images, drawn, labelled_images
from modelheir.analysis.slices.words import Properties, properties, words
from modelheir.checks import InputError
from modelheir.metrics.statistics.correction import benjamini_hochberg
from modelheir.metrics.statistics.fisher import fisher_greater
from modelheir.metrics.statistics.intervals import exact
from modelheir.types import Predictions

__all__ = ["find_slices"]

_LEAST = 200  #: labelled images; below, the halves tell nothing
_CLUSTERS = (4, 8, 16, 32, 64, 128)  #: numbers tried, while a cluster has _MEAN images of the finding half on average
_MEAN = 20
_TAILS = (0.02, 0.05, 0.1, 0.2)  #: shares of the finding half that are an end of the direction
_SMALLEST, _FEWEST = 10, 3  #: images, and newly wrong ones, of a group in the finding half
_PROMISING = 0.05  #: largest p on the finding half of a group that is tested
_TESTED, _RANKED = 10, 500  #: groups tested, at most; groups looked through for them
_SHARED = 0.5  #: of the smaller one's images, with a group that is tested already
_NEAREST, _BROKEN = 12, 200  #: images listed


@dataclasses.dataclass(frozen=True, eq=False)
class _Group:
    """A group, as the finding half gives it."""

    inside: np.ndarray  #: ``(N,)`` bool
    label: int  #: place of its one class, -1 where it has several
    rule: str  #: how it was made


def find_slices(
    old: Predictions,
    new: Predictions,
    *,
    features: tuple[np.ndarray, np.ndarray] | None = None,
    columns: Sequence[str] = (),
    confidence: float = 0.95,
    names: tuple[str, str] = ("the old file", "the new file"),
) -> FoundSlices:
    """Find groups of images whose NFR is above that of all others.

    Args:
        old: What the old model said.
        new: What the new model said about the same images, in any order.
        features: Sample ids ``(M,)`` and features ``(M, D)`` of the images and perhaps of others, which may be
            memory-mapped; ``None`` takes those of ``new``, else of ``old``.
        columns: Further columns whose values may describe a group.
        confidence: Coverage of the intervals, between 0 and 1; what is missing to 1 is the level of the tests.
        names: What to call the two in errors.

    Returns:
        The groups found, the smallest p first; the same for the same images, whatever the order of rows.

    Raises:
        InputError: If there are no features, an image has none, one is not finite, or there are fewer than 200
            labelled images.
    """
    pair = pair_up(old, new, names=names)
    count = len(pair.sample_id)
    if count < _LEAST:
        raise InputError(
            f"finding slices needs at least {_LEAST} labelled images, a half to find groups and a half to test them; "
            f"there are {count:,}."
        )
    images = labelled_images(pair, features)
    finding, testing = images.finding, ~images.finding
    tried = tuple(k for k in _CLUSTERS if k == _CLUSTERS[0] or k * _MEAN <= int(finding.sum()))
    groups, looked_at = _promising(images, tried, pair.count)
    hits, total = (
        np.array([int((group.inside & testing & of).sum()) for group in groups], np.int64)
        for of in (images.flipped, np.ones(count, bool))
    )
    all_hits, all_total = int((images.flipped & testing).sum()), int(testing.sum())
    p = fisher_greater(hits, total, all_hits=all_hits, all_total=all_total)
    corrected = benjamini_hochberg(p)
    known = properties(pair, images.order, images.flipped, columns)
    level = 1 - confidence
    found = [
        FoundSlice(
            rule=groups[k].rule,
            n=int(groups[k].inside.sum()),
            true_class=pair.class_name(int(pair.numbers[groups[k].label])) if groups[k].label >= 0 else "",
            n_tested=int(total[k]),
            nfr=_rate(int(hits[k]), int(total[k]), confidence),
            nfr_rest=_rate(all_hits - int(hits[k]), all_total - int(total[k]), confidence),
            p=float(p[k]),
            p_corrected=float(corrected[k]),
            **_described(pair, images, groups[k], known),
        )
        for k in np.argsort(p, kind="stable")
        if corrected[k] <= level
    ]
    return FoundSlices(tuple(found), int(finding.sum()), all_total, tried, looked_at, len(groups), level)


def _promising(images: Images, tried: Sequence[int], classes: int) -> tuple[list[_Group], int]:
    """Return the groups to test, chosen by the finding half alone, and how many groups it has."""
    places = np.flatnonzero(images.finding)
    flipped, all_hits = images.flipped[places], int(images.flipped[places].sum())
    codes: list[np.ndarray] = []  # of all images, in groups that are ranked by those of the finding half
    rules: list[str] = []
    ranked: list[tuple[float, int, int]] = []
    looked_at = 0

    def rank(code: np.ndarray, known: np.ndarray, groups: int, rule: str) -> int:
        """Rank groups ``0..groups - 1``; a larger code is no group."""
        total = np.bincount(known, minlength=groups)[:groups]
        hits = np.bincount(known[flipped], minlength=groups)[:groups]
        large = (total >= _SMALLEST) & (total < len(places))
        at = np.flatnonzero(large & (hits >= _FEWEST) & (hits * len(places) > total * all_hits))
        p = fisher_greater(hits[at], total[at], all_hits=all_hits, all_total=len(places))
        ranked.extend((float(p[k]), len(codes), int(at[k])) for k in np.flatnonzero(p <= _PROMISING))
        codes.append(code)
        rules.append(rule)
        return int(large.sum())

    points = images.points[drawn(images.finding)]
    for count in tried:
        of = nearest_centre(images.points, k_means(points, count))
        looked_at += rank(of, of[places], count, f"one of {count} clusters")
        of = of * classes + images.label
        looked_at += rank(of, of[places], count * classes, f"one class in one of {count} clusters")
    for share, (end, known) in zip(_TAILS, tails(images.points, places, flipped, _TAILS), strict=True):
        rule = f"the {share:.0%} furthest towards the newly wrong"
        looked_at += rank((~end).astype(np.int64), (~known).astype(np.int64), 1, rule)
    chosen: list[_Group] = []
    for _, number, group in sorted(ranked)[:_RANKED]:
        inside = codes[number] == group
        if not any(_share(inside[places], other.inside[places]) > _SHARED for other in chosen):
            labels = np.unique(images.label[inside])
            chosen.append(_Group(inside, int(labels[0]) if len(labels) == 1 else -1, rules[number]))
            if len(chosen) == _TESTED:
                break
    return chosen, looked_at


def _share(one: np.ndarray, other: np.ndarray) -> float:
    return int((one & other).sum()) / max(1, min(int(one.sum()), int(other.sum())))


def _rate(hits: int, total: int, confidence: float) -> Rate:
    return Rate(hits / total if total else None, exact(hits, total, confidence=confidence))


def _described(pair: Pair, images: Images, group: _Group, known: Properties) -> dict[str, Any]:
    """Return what stands out in a group, and its images next to the centre."""
    inside = np.flatnonzero(group.inside)
    centre = images.points[group.inside & images.finding].mean(axis=0)
    far = ((images.points[inside] - centre) ** 2).sum(axis=1)
    near = inside[np.argsort(far, kind="stable")]
    broken = near[images.flipped[near]]
    return {
        "words": words(known, group.inside),
        "sample_id": tuple(pair.sample_id[images.order[near]].tolist()),
        "nearest": _members(pair, images.order[near[:_NEAREST]]),
        "n_broken": len(broken),
        "broken": _members(pair, images.order[broken[:_BROKEN]]),
    }


def _members(pair: Pair, rows: np.ndarray) -> tuple[Member, ...]:
    cells = zip(
        pair.sample_id[rows].tolist(),
        *(of[rows].tolist() for of in (pair.label, pair.old.prediction, pair.new.prediction)),
        strict=True,
    )
    return tuple(Member(name, *map(pair.class_name, numbers)) for name, *numbers in cells)
