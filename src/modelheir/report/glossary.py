"""The terms of the report in plain words, once, for the table of all numbers and for the glossary of every page."""

from __future__ import annotations

from typing import NamedTuple

from modelheir.analysis.comparison import Comparison, Graded
from modelheir.analysis.record import Rate
from modelheir.report import numerals

__all__ = ["GLOSSARY", "RATES", "SCORES", "Row", "ScoreRow", "Term", "numbers", "scores"]


class Term(NamedTuple):
    """One rate: its key in the result, its name, what it says, and which way is better."""

    key: str
    name: str
    meaning: str
    better: str  #: "lower", "higher" or empty


RATES = (
    Term(
        "nfr",
        "Negative flip rate (NFR)",
        "Share of all images that the old model had right and the new one has wrong.",
        "lower",
    ),
    Term(
        "pfr",
        "Positive flip rate (PFR)",
        "Share of all images that the old model had wrong and the new one has right.",
        "higher",
    ),
    Term(
        "relative_nfr",
        "Relative NFR",
        "NFR over what two unrelated models of the same accuracies would have; 100% means no better than unrelated.",
        "lower",
    ),
    Term("nfi", "Negative flip impact (NFI)", "Share of the new model's errors that are new mistakes.", "lower"),
    Term("pfi", "Positive flip impact (PFI)", "Share of the new model's right answers that were wrong before.", ""),
    Term("churn", "Churn", "Share of all images whose predicted class changed, for better or worse.", "lower"),
    Term(
        "btc",
        "Backward trust compatibility (BTC)",
        "Share of the old model's right answers that the new model keeps.",
        "higher",
    ),
    Term("bec", "Backward error compatibility (BEC)", "Overlap of the errors of the two models.", ""),
    Term(
        "nfr_multi",
        "Changes to a wrong class",
        "Share of all images whose predicted class changed to a wrong one.",
        "lower",
    ),
)

SCORES = (
    Term(
        "error", "Calibration error (ECE)", "Mean gap between confidence and share of right answers, by bins.", "lower"
    ),
    Term("error_equal_mass", "ECE, bins of equal count", "The same with equally many images in each bin.", "lower"),
    Term("mean_confidence", "Mean confidence", "Probability given to the predicted class.", ""),
    Term("mean_label_confidence", "Mean label confidence", "Probability given to the true class.", "higher"),
    Term(
        "top5_accuracy", "Top-5 accuracy", "Share of images whose label is among the five likeliest classes.", "higher"
    ),
    Term(
        "brier",
        "Brier score",
        "Squared distance of the probabilities from the truth, 0 to 2; not a percentage.",
        "lower",
    ),
    Term("nll", "Negative log-likelihood", "In nats an image; not a percentage.", "lower"),
)
_PLAIN = {"brier", "nll"}

GLOSSARY = (
    ("Error", "Share of images whose predicted class is not the label: 100% minus accuracy."),
    ("Negative flip", "An image the old model had right and the new one has wrong. Users notice these first."),
    ("Positive flip", "An image the old model had wrong and the new one has right; called mended on this page."),
    *((term.name, term.meaning) for term in RATES),
    (
        "Interval",
        "The range in brackets, in percent: values the true rate may well have, given how many images were counted.",
    ),
    (
        "McNemar p-value",
        "How likely a gap between new mistakes and mended ones this large would be, if both were equally common.",
    ),
    (
        "Gate",
        "Bounds set before the comparison. A bound is met when the unfavourable end of the interval meets it, unless "
        "the page says that the estimate itself was used.",
    ),
    ("Confidence", "Probability that the model gives to the class it predicts."),
    (
        "Calibration error (ECE)",
        "Mean gap between confidence and how often the model is right, over bins of like confidence. Lower is better.",
    ),
)

_GRADED = (
    Term(
        "nfr_graded",
        "Graded NFR",
        "New mistakes, each weighted by how much surer the new model is of its answer than of the label.",
        "lower",
    ),
    Term(
        "pfr_graded",
        "Graded PFR",
        "Mended mistakes, each weighted by how much surer the old model was of its answer than of the label.",
        "higher",
    ),
)


class Row(NamedTuple):
    """A rate in the table of all numbers."""

    name: str
    meaning: str
    better: str
    rate: Rate
    signed: bool = False  #: a difference, written with its sign


class ScoreRow(NamedTuple):
    """A value of both models, where each is known."""

    name: str
    meaning: str
    better: str
    old: float | None
    new: float | None
    plain: bool  #: not a fraction


def numbers(found: Comparison) -> list[Row]:
    """List the rates of a comparison, graded ones too, with their meaning."""
    rows = [Row(term.name, term.meaning, term.better, getattr(found.rates, term.key)) for term in RATES]
    place = next(k for k, term in enumerate(RATES) if term.key == "bec")
    rows[place] = rows[place]._replace(meaning=f"Here: {found.bec_convention}.")
    return rows + (_graded(found.scores.graded) if found.scores else [])


def _graded(graded: Graded) -> list[Row]:
    rates = [(term, getattr(graded, term.key)) for term in _GRADED]
    rows = [Row(term.name, term.meaning, term.better, rate) for term, rate in rates if rate]
    if graded.label_confidence_gain:
        meaning = "Mean probability of the label, new minus old."
        rows.append(Row("Change in label confidence", meaning, "higher", graded.label_confidence_gain, signed=True))
    for shared, words in ((graded.near_negative_flips, "at most"), (graded.large_negative_flips, "at least")):
        if shared:
            moved = f"{words} {numerals.percent(shared.threshold, 0)}"
            meaning = f"Share of all images: newly wrong, and the probability of the label moved {moved}."
            rows.append(Row(f"New mistakes, moved {moved}", meaning, "", Rate(shared.rate)))
    return rows


def scores(found: Comparison) -> list[ScoreRow]:
    """List the values that rest on confidence, for both models."""
    known = found.scores.calibration if found.scores else {}
    rows = []
    for term in SCORES:
        old, new = (getattr(known.get(side), term.key, None) for side in ("old", "new"))
        if old is not None or new is not None:
            rows.append(ScoreRow(term.name, term.meaning, term.better, old, new, term.key in _PLAIN))
    return rows
