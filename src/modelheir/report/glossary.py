"""The terms of the report in plain words, once, for the table of all numbers and for the glossary of every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from modelheir.report import numerals

__all__ = ["GLOSSARY", "RATES", "SCORES", "Term", "numbers", "scores"]


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
    (
        "nfr_graded",
        "Graded NFR",
        "New mistakes, each weighted by how much surer the new model is of its answer than of the label.",
    ),
    (
        "pfr_graded",
        "Graded PFR",
        "Mended mistakes, each weighted by how much surer the old model was of its answer than of the label.",
    ),
    ("label_confidence_drop", "Drop in label confidence", "Mean probability of the label, old minus new."),
)


def numbers(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the rates that ``result`` holds, graded ones too, with intervals and meaning."""
    intervals = result.get("intervals") or {}
    rows = [
        {**term._asdict(), "value": result[term.key], "interval": intervals.get(term.key)}
        for term in RATES
        if term.key in result
    ]
    for row in rows:
        if row["key"] == "bec" and result.get("bec_convention"):
            row["meaning"] = f"Here: {result['bec_convention']}."
    graded = result.get("graded") or {}
    for key, name, meaning in _GRADED:
        if key in graded:
            row = {"key": key, "name": name, "meaning": meaning, "better": ""}
            rows.append({**row, "value": graded[key], "interval": graded.get(f"{key}_interval")})
    for key, words in (("near_negative_flips", "at most"), ("large_negative_flips", "at least")):
        if key in graded:
            moved = f"{words} {numerals.percent(graded[key]['threshold'], 0)}"
            row = {"key": key, "name": f"New mistakes, moved {moved}", "better": "", "interval": None}
            meaning = f"Share of all images: newly wrong, and the probability of the label moved {moved}."
            rows.append({**row, "meaning": meaning, "value": graded[key]["rate"]})
    return rows


def scores(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the values that rest on confidence, for both models; ``plain`` ones are not fractions."""
    found = result.get("calibration") or {}
    old, new = found.get("old") or {}, found.get("new") or {}
    return [
        {**term._asdict(), "old": old.get(term.key), "new": new.get(term.key), "plain": term.key in _PLAIN}
        for term in SCORES
        if term.key in old or term.key in new
    ]
