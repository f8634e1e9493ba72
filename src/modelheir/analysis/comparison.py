"""What a comparison is: one typed value that the terminal, the JSON and the page all read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from modelheir.analysis.confusion import Answers, Confusion
from modelheir.analysis.gate.verdict import Verdict
from modelheir.analysis.record import Rate, Record, plain
from modelheir.analysis.replay import Replay
from modelheir.analysis.slices.found import FoundSlices

__all__ = [
    "Calibration",
    "Comparison",
    "Counts",
    "Flips",
    "Graded",
    "Group",
    "GroupRates",
    "Rates",
    "Scores",
    "SharedFlips",
    "Together",
]


@dataclasses.dataclass(frozen=True)
class GroupRates:
    """How an old and a new model differ on some images; all are fractions."""

    accuracy_old: Rate
    accuracy_new: Rate
    nfr: Rate  #: right before, wrong now, of all images
    pfr: Rate  #: wrong before, right now, of all images
    relative_nfr: Rate  #: NFR over that of two unrelated models
    nfi: Rate  #: new mistakes among the new model's errors
    btc: Rate  #: right answers kept
    churn: Rate  #: predictions that changed
    accuracy_gain: Rate  #: new minus old accuracy, -1 to 1


@dataclasses.dataclass(frozen=True)
class Rates(GroupRates):
    """The rates over all images; every one has an interval."""

    pfi: Rate  #: new successes among the new model's right answers
    nfr_multi: Rate  #: changed to a wrong class
    bec: Rate  #: errors that both make, by ``bec_convention``

    def items(self) -> list[tuple[str, Rate]]:
        """Return every rate by its name."""
        return [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]


@dataclasses.dataclass(frozen=True, eq=False)
class Counts(Record):
    """Images by what happened to them."""

    both_right: int
    negative_flip: int
    positive_flip: int
    same_error: int
    other_error: int

    @property
    def shares(self) -> dict[str, float]:
        """The four shares of all images: ``stay`` right, ``pos`` and ``neg`` flips, ``wrong`` in both."""
        wrong = self.same_error + self.other_error
        four = {"stay": self.both_right, "pos": self.positive_flip, "neg": self.negative_flip, "wrong": wrong}
        return {name: count / sum(four.values()) for name, count in four.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class Group(Record):
    """The images of one class, or of one value of a column."""

    name: Any  #: the class, or the value of the column
    column: str  #: empty for a class
    n: int
    rates: GroupRates
    p: float  #: McNemar's
    p_corrected: float  #: for the number of classes, or of values of the column
    answers: Answers | None = None  #: of a class: precision, recall, F1, and what it is taken for

    def to_json(self) -> dict[str, Any]:
        """Return one row: the name, ``n``, every rate, the intervals there are, the p-values, and a class's answers."""
        head = {"column": self.column, "value": self.name} if self.column else {"class": self.name}
        rates = {field.name: getattr(self.rates, field.name) for field in dataclasses.fields(self.rates)}
        values = {key: value for name, rate in rates.items() for key, value in rate.named(name).items()}
        values |= {"p": self.p, "p_corrected": self.p_corrected, **(self.answers or {})}
        return {**head, "n": self.n, **values}


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration(Record):
    """How far one model's confidence can be trusted."""

    error: float  #: ECE over bins of equal width, 0 to 1
    error_equal_mass: float  #: over bins of equal count
    brier: float  #: 0 to 2
    nll: float  #: nats an image
    mean_confidence: float
    mean_label_confidence: float
    bins: int
    top5_accuracy: float | None = None  #: where there are more than five classes

    def to_json(self) -> dict[str, Any]:
        """Return the values that are known."""
        return {key: value for key, value in super().to_json().items() if value is not None}


@dataclasses.dataclass(frozen=True, eq=False)
class SharedFlips(Record):
    """Negative flips whose label lost at most, or at least, so much probability."""

    threshold: float
    n: int
    rate: float  #: of all images


@dataclasses.dataclass(frozen=True, eq=False)
class Graded(Record):
    """Flips weighed by confidence; what needs a file's scores is ``None`` without them."""

    nfr_graded: Rate | None = None
    pfr_graded: Rate | None = None
    label_confidence_drop: Rate | None = None  #: old minus new, -1 to 1
    near_negative_flips: SharedFlips | None = None
    large_negative_flips: SharedFlips | None = None

    @property
    def label_confidence_gain(self) -> Rate | None:
        """The drop the other way round, new minus old, as a person reads it."""
        drop = self.label_confidence_drop
        if drop is None or drop.value is None:
            return None
        low, high = drop.interval or (None, None)
        return Rate(-drop.value, None if low is None or high is None else (-high, -low))

    def to_json(self) -> dict[str, Any]:
        """Return what is known; an interval stands beside its value."""
        found: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                found |= value.named(field.name) if isinstance(value, Rate) else {field.name: value.to_json()}
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class Together(Record):
    """Both models averaged, against the old one."""

    by: str  #: logits or probabilities
    accuracy: float
    nfr: float
    pfr: float
    relative_nfr: float
    accuracy_gain: float
    churn: float


@dataclasses.dataclass(frozen=True, eq=False)
class Scores(Record):
    """What scores add; keys of the mappings are ``old`` and ``new``, where the file has them."""

    calibration: Mapping[str, Calibration]
    reliability: Mapping[str, tuple[Mapping[str, float], ...]]  #: bins: ``n``, mean ``confidence``, ``accuracy``
    graded: Graded
    ensemble: Together | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the parts; ``ensemble`` where both models have scores."""
        return {key: plain(value) for key, value in super().to_json().items() if value is not None}


@dataclasses.dataclass(frozen=True, eq=False)
class Flips(Record):
    """Sample ids, in the old file's order."""

    negative: tuple[str, ...]
    positive: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison(Record):
    """An old and a new model on the same images. Rates are fractions from 0 to 1.

    Read it by attributes, or as the mapping that ``--json`` writes: ``found.rates.nfr.value`` is ``found["nfr"]``.
    """

    n: int  #: labelled images
    n_unlabelled: int  #: images left out
    n_classes: int
    rates: Rates
    bec_convention: str  #: whose errors BEC counts, in words
    confidence: float  #: two-sided, of the intervals
    counts: Counts
    mcnemar_p: float
    minimal_detectable_nfr: float  #: half-width of the NFR's interval, or its upper end where nothing flipped
    correction: str  #: of the p-values of classes and of slices
    classes: tuple[Group, ...]  #: those that have images, by number
    slices: tuple[Group, ...]
    confusion: Confusion
    scores: Scores | None  #: ``None`` where neither file has any
    gate: Verdict
    flips: Flips
    old: str = ""  #: the file that was read, where one was
    new: str = ""
    note: str = ""  #: which split was taken, where that is not the usual one, and images that lack metadata
    replay: Replay | None = None  #: images that earlier releases broke; ``None`` where no list was given
    found_slices: FoundSlices | None = None  #: groups that nobody named, where they were looked for
    others: tuple[Mapping[str, Any], ...] = ()  #: further models against the same old one, rows of ``analysis.front``

    def to_json(self) -> dict[str, Any]:
        """Return the JSON: rates on top, their ``intervals``, then the tables; keys as in docs/glossary.md."""
        files = {"old": self.old, "new": self.new, "note": self.note} if self.old or self.new else {}
        return {
            "n": self.n,
            "n_unlabelled": self.n_unlabelled,
            "n_classes": self.n_classes,
            **{name: rate.value for name, rate in self.rates.items()},
            "bec_convention": self.bec_convention,
            "confidence": self.confidence,
            "intervals": {name: plain(rate.interval) for name, rate in self.rates.items()},
            "counts": plain(self.counts),
            "mcnemar_p": self.mcnemar_p,
            "minimal_detectable_nfr": self.minimal_detectable_nfr,
            "correction": self.correction,
            "per_class": plain(self.classes),
            "slices": plain(self.slices),
            "confusion": plain(self.confusion),
            **(self.scores.to_json() if self.scores else {}),
            "gate": plain(self.gate),
            "flips": plain(self.flips),
            **({"replay": plain(self.replay)} if self.replay else {}),
            **files,
            **({"found_slices": plain(self.found_slices)} if self.found_slices is not None else {}),
            **({"others": plain(self.others)} if self.others else {}),
        }

    def worst(self) -> tuple[Group, ...]:
        """Return the classes that have new mistakes, most of them first, as shares of the class."""
        return tuple(group for group in self.by_new_mistakes() if group.rates.nfr.value)

    def by_new_mistakes(self) -> tuple[Group, ...]:
        """Return all classes, most new mistakes first, as shares of the class; equal ones by number."""
        return tuple(sorted(self.classes, key=lambda group: -(group.rates.nfr.value or 0.0)))

    def placed(self, name: str) -> dict[str, Any]:
        """Return the new model's row in the plane of error against NFR, shaped as those of ``analysis.front``."""
        row = {"name": name, "n": self.n, **self.rates.accuracy_new.rest.named("error"), **self.rates.nfr.named("nfr")}
        return {**row, "pfr": self.rates.pfr.value, "relative_nfr": self.rates.relative_nfr.value}
