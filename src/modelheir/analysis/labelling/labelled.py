"""The verdict by labels of disagreements: rates with intervals, held against the bounds that they can decide."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from modelheir.analysis.gate.bounds import WORDS, GateConfig
from modelheir.analysis.gate.checking import check_bound
from modelheir.analysis.gate.judge import conclude
from modelheir.analysis.gate.notes import SEQUENTIAL
from modelheir.analysis.gate.verdict import UNDECIDED, Verdict
from modelheir.analysis.labelling.draw import Labels, make_draw
from modelheir.analysis.labelling.rates import Seen, measure_seen
from modelheir.analysis.record import Rate, Record, plain
from modelheir.checks import InputError
from modelheir.metrics.join import name_ids
from modelheir.metrics.outcomes import outcomes
from modelheir.types import Predictions

__all__ = ["Labelled", "compare_labelled"]

_RATES = ("nfr", "pfr", "accuracy_gain", "churn")
_JUDGED = {"max_nfr": "nfr", "min_accuracy_gain": "accuracy_gain", "max_churn": "churn"}  #: bound -> what decides it


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled(Record):
    """What labels of disagreements say about two models; rates are fractions from 0 to 1."""

    n: int  #: images, labelled or not
    n_disagreeing: int
    n_labelled: int  #: disagreements whose labels count
    n_agreeing: int  #: labels of images on which the models agree; they decide nothing
    n_left_out: int  #: labels behind the first disagreement of the draw that has none
    nfr: Rate
    pfr: Rate
    accuracy_gain: Rate
    churn: Rate  #: share of disagreements
    confidence: float
    negative: tuple[str, ...]  #: ids of labelled disagreements that are negative flips
    positive: tuple[str, ...]
    gate: Verdict
    old: str = ""
    new: str = ""

    @property
    def rates(self) -> dict[str, Rate]:
        """The rates by name."""
        return {name: getattr(self, name) for name in _RATES}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON: rates on top, their ``intervals``, the gate and the ids of flips, as of a comparison."""
        found = {key: value for key, value in super().to_json().items() if key not in ("negative", "positive")}
        found |= {name: rate.value for name, rate in self.rates.items()}
        found["intervals"] = {name: plain(rate.interval) for name, rate in self.rates.items()}
        return {**found, "flips": {"negative": list(self.negative), "positive": list(self.positive)}}


def compare_labelled(
    old: Predictions,
    new: Predictions,
    labels: Labels | None = None,
    *,
    gate: GateConfig | None = None,
    names: tuple[str, str] = ("the old file", "the new file"),
) -> Labelled:
    """Judge two models by labels of images on which they disagree.

    The labels that count are those of the draw of :func:`worth_labelling` up to the first that is missing: what lies
    behind it is no draw by chance.

    Args:
        old: What the old model said; labels may be missing, -1.
        new: What the new model said about the same images, in any order.
        labels: Labels beside those in the predictions.
        gate: Bounds; ``None`` sets none. NFR, the gain and churn can be bounded.
        names: What to call the two in errors.

    Returns:
        Rates with intervals, and the verdict.

    Raises:
        InputError: If another bound is set, no label counts, or the predictions or labels contradict each other.

    Example:
        >>> ids, none = np.array(list("abcd")), np.full(4, -1)
        >>> old, new = (Predictions(ids, none, np.array(said)) for said in ([0, 1, 2, 1], [0, 1, 1, 0]))
        >>> found = compare_labelled(old, new, (np.array(["c", "d"]), np.array([2, 3])))
        >>> found.nfr.value, found.negative
        (0.25, ('c',))
    """
    gate = gate or GateConfig()
    asked = {**gate.given, **gate.advisory.given}
    closed = [name for name in asked if name not in _JUDGED]
    if closed:
        raise InputError(
            f"{' and '.join(closed)} cannot be judged by labels of disagreements, only by labels of all images: "
            "leave it out, or label all images and compare without --labels."
        )
    draw = make_draw(old, new, labels, names=names)
    known = draw.known
    n = len(known) if known.all() else int(known.argmin())
    if len(known) and not n:
        first = str(draw.pair.sample_id[draw.rows[0]])
        raise InputError(
            f"the disagreement drawn first ({name_ids(np.array([first]))}) has no label, so none of the "
            f"{int(known.sum()):,} labels counts: label what --label-budget N --ask FILE asks for."
        )
    rows = draw.rows[:n]
    codes = outcomes(draw.pair.old.prediction[rows], draw.pair.new.prediction[rows], draw.label[rows])
    covered = len(draw.label) if n == len(known) else int(draw.place[n])
    seen = Seen(len(draw.label), len(known), n, np.bincount(codes, minlength=5), covered)
    agreeing, left = int((draw.label >= 0).sum() - known.sum()), int(known[n:].sum())
    found = {name: measure_seen(name, seen, sequential=gate.sequential) for name in _RATES}
    made, notes = [], _notes(seen, agreeing, left, gate.sequential and bool(asked))
    for bounds, advisory in ((gate, False), (gate.advisory, True)):
        for name, bound in bounds.given.items():
            (check,) = check_bound(name, bound, gate, [WORDS[name]], found[_JUDGED[name]])
            made.append(dataclasses.replace(check, advisory=advisory))
            if check.verdict == UNDECIDED and check.needed and not seen.all and n + check.needed > len(known):
                notes.append(f"The {len(known):,} disagreements hold too few labels for {name}: add images as well.")
    flips = (tuple(draw.pair.sample_id[rows[codes == code]].tolist()) for code in (1, 2))
    rates = {name: Rate(float(of.value), of.ends(1.0, gate.confidence)) for name, of in found.items()}
    return Labelled(
        seen.images, seen.disagreeing, n, agreeing, left, **rates, confidence=gate.confidence,
        **dict(zip(("negative", "positive"), flips, strict=True)), gate=conclude(gate, made, notes),
    )  # fmt: skip


def _notes(seen: Seen, agreeing: int, left: int, sequential: bool) -> list[str]:
    """Say what the labels are about, and which of them decide nothing."""
    share = "All" if seen.all else f"{seen.labelled:,} of the"
    found = [f"{share} {seen.disagreeing:,} disagreements are labelled; the verdict is about images like all these."]
    if agreeing:
        found.append(f"{agreeing:,} labels are of images on which the models agree, and decide nothing here.")
    if left:
        found.append(
            f"{left:,} labels lie behind the first disagreement of the draw without one, so they are no draw by chance "
            "and do not count: label what --ask asks for."
        )
    return [*found, SEQUENTIAL] if sequential else found
