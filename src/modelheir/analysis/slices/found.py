"""What was found: groups of like images in which the new model breaks more, and how they were looked for."""

from __future__ import annotations

import dataclasses
from typing import Any

from modelheir.analysis.record import Rate, Record

__all__ = ["FoundSlice", "FoundSlices", "Member", "Word"]


@dataclasses.dataclass(frozen=True)
class Word:
    """A property that stands out in a group."""

    kind: str  #: ``true class``, ``new prediction``, ``broken as`` (of the newly wrong alone), or the column
    value: str
    share: float  #: of the group's images that have it, 0 to 1
    overall: float  #: of all images, 0 to 1
    lift: float  #: the one over the other, above 1


@dataclasses.dataclass(frozen=True)
class Member:
    """One image of a group."""

    sample_id: str
    label: str
    old: str  #: class the old model predicts
    new: str


@dataclasses.dataclass(frozen=True, eq=False)
class FoundSlice(Record):
    """A group whose NFR is above that of all other images, on images that had no part in finding it."""

    rule: str  #: how the group was made from the features
    n: int  #: images of both halves
    true_class: str  #: of all its images; empty where the group has several
    n_tested: int  #: images of the testing half, on which the rates stand
    nfr: Rate  #: of the group; its interval is exact
    nfr_rest: Rate  #: of all other images
    p: float  #: Fisher's, one-sided
    p_corrected: float  #: Benjamini and Hochberg's, for the groups tested
    words: tuple[Word, ...]  #: what stands out, first what is furthest from all images
    sample_id: tuple[str, ...]  #: all its images, those next to the centre first; not in the JSON
    nearest: tuple[Member, ...]  #: those next to the centre, of both halves
    n_broken: int  #: newly wrong images of both halves
    broken: tuple[Member, ...]  #: those of them next to the centre, at most 200

    def to_json(self) -> dict[str, Any]:
        """Return one row; an interval stands beside its rate."""
        found = super().to_json()
        rates = {key: value for name in ("nfr", "nfr_rest") for key, value in getattr(self, name).named(name).items()}
        return {key: value for key, value in found.items() if key not in (*rates, "sample_id")} | rates


@dataclasses.dataclass(frozen=True, eq=False)
class FoundSlices(Record):
    """All groups found, the smallest p first, and what was looked at."""

    slices: tuple[FoundSlice, ...]
    n_finding: int  #: images on which groups were made and chosen
    n_testing: int  #: images on which the chosen ones were tested
    clusters: tuple[int, ...]  #: numbers of clusters that were tried
    looked_at: int  #: groups of the finding half that had images enough
    tested: int  #: groups tested, for which p is corrected
    level: float  #: largest corrected p of a group found: the expected share of false ones
