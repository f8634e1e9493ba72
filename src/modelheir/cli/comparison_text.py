"""A comparison on the terminal: rates, the worst classes, slices, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.cli.screen import percent, say, show_table

__all__ = ["show"]

_WORST = 5  #: classes shown; all are in the JSON and on the page
_RATES = (
    ("nfr", "NFR: newly wrong"),
    ("pfr", "PFR: newly right"),
    ("accuracy_gain", "accuracy gain"),
    ("relative_nfr", "relative NFR (100% = unrelated models)"),
    ("nfi", "NFI: new mistakes among the new model's errors"),
    ("pfi", "PFI: new successes among its right answers"),
    ("churn", "churn: predictions that changed"),
    ("btc", "BTC: right answers kept"),
    ("bec", "BEC: "),
)


def show(result: Mapping[str, Any], *, names: tuple[str, str]) -> None:
    """Print a comparison.

    Args:
        result: What ``analysis.compare`` returned, and ``note``.
        names: What to call the two models.
    """
    say(f"{names[0]} -> {names[1]}, {result['n']:,} images, {100 * result['confidence']:g}% intervals")
    if result.get("note"):
        say(f"Note: {result['note']}.")
    if result["n_unlabelled"]:
        say(f"Note: {result['n_unlabelled']:,} images without a label are left out.")
    intervals = result["intervals"]
    rows = [
        [f"accuracy, {side}", percent(result[f"accuracy_{side}"], intervals[f"accuracy_{side}"])]
        for side in ("old", "new")
    ]
    for name, words in _RATES:
        text = words + result["bec_convention"] if name == "bec" else words
        ends = intervals.get(name)
        rows.append([text, percent(result[name], ends if ends and None not in ends else None)])
    rows.append(["McNemar p (are flips one-sided?)", f"{result['mcnemar_p']:.3g}"])
    rows += _from_scores(result)
    show_table("", ["rate", "value"], rows)
    worst = sorted(result["per_class"], key=lambda row: -row["nfr"])[:_WORST]
    _groups(f"classes with the most new mistakes (p corrected: {result['correction']})", "class", worst)
    for column in dict.fromkeys(row["column"] for row in result["slices"]):
        here = [row for row in result["slices"] if row["column"] == column]
        _groups(f"by {column}", "value", here)
    if result.get("others"):
        table = [
            [row["name"], percent(row["error"], row["error_interval"]), percent(row["nfr"], row["nfr_interval"])]
            for row in result["others"]
        ]
        show_table("other models against the same old one", ["model", "error", "NFR"], table)
    _verdict(result["gate"])


def _from_scores(result: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for side, found in (result.get("calibration") or {}).items():
        rows.append([f"calibration error, {side}", percent(found["error"])])
    graded = result.get("graded") or {}
    for name, words in (("nfr_graded", "graded NFR"), ("pfr_graded", "graded PFR")):
        if name in graded:
            rows.append([words, percent(graded[name], graded[f"{name}_interval"])])
    for name, words in (("near_negative_flips", "type I, near"), ("large_negative_flips", "type II, large")):
        if name in graded:
            rows.append([f"negative flips of {words}", percent(graded[name]["rate"])])
    if "ensemble" in result:
        both = result["ensemble"]
        rows.append([f"both averaged ({both['by']}): accuracy", percent(both["accuracy"])])
        rows.append([f"both averaged ({both['by']}): NFR", percent(both["nfr"])])
    return rows


def _groups(title: str, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = [
        [
            str(row[key]),
            f"{row['n']:,}",
            percent(row["accuracy_old"]),
            percent(row["accuracy_new"]),
            percent(row["nfr"], row["nfr_interval"]),
            percent(row["pfr"]),
            f"{row['p_corrected']:.3g}",
        ]
        for row in rows
    ]
    show_table(title, [key, "images", "old", "new", "NFR", "PFR", "p"], table)


def _verdict(gate: Mapping[str, Any]) -> None:
    if gate["passed"] is None:
        say("No verdict: no bounds were set (--max-nfr, --max-class-nfr, --max-slice-nfr, --min-accuracy-gain).")
    else:
        say(f"{'PASSED' if gate['passed'] else 'FAILED'}: {gate['verdict']}")
    for check in gate["checks"]:
        say(f"  {'ok  ' if check['passed'] else 'miss'} {check['sentence']}")
    for note in gate["notes"]:
        say(f"  note {note}")
