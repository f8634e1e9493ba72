"""A comparison on the terminal: rates, the worst classes, slices, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelheir.cli.comparing.found_slices_text import show_found
from modelheir.printable import shorten
from modelheir.screen import percent, say, show_table

if TYPE_CHECKING:
    from modelheir.analysis.comparison import Comparison, Graded, Group, Scores
    from modelheir.analysis.gate.verdict import Verdict
    from modelheir.analysis.labelling.labelled import Labelled
    from modelheir.analysis.record import Rate
    from modelheir.analysis.replay import Replay, ReplayedRelease

__all__ = ["show", "show_labelled"]

_MARKS = {"ship": "ok  ", "hold": "miss", "undecided": "open"}
_NAMED = 10  #: remembered images shown; all are in the JSON
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


def show(found: Comparison, *, names: tuple[str, str]) -> None:
    """Print a comparison.

    Args:
        found: What ``analysis.compare`` returned.
        names: What to call the two models.
    """
    say(f"{names[0]} -> {names[1]}, {found.n:,} images, {100 * found.confidence:g}% intervals")
    if found.note:
        say(f"Note: {found.note}.")
    if found.n_unlabelled:
        say(f"Note: {found.n_unlabelled:,} images without a label are left out.")
    rows = [["accuracy, old", _rate(found.rates.accuracy_old)], ["accuracy, new", _rate(found.rates.accuracy_new)]]
    for name, words in _RATES:
        text = words + found.bec_convention if name == "bec" else words
        rows.append([text, _rate(getattr(found.rates, name))])
    rows.append(["McNemar p (are flips one-sided?)", f"{found.mcnemar_p:.3g}"])
    show_table("", ["rate", "value"], rows + (_from_scores(found.scores) if found.scores else []))
    worst = found.worst()
    if worst:
        _groups(f"classes with the most new mistakes (p corrected: {found.correction})", "class", worst[:_WORST])
    else:
        say("No class has a new mistake.")
    for column in dict.fromkeys(row.column for row in found.slices):
        _groups(f"by {column}", "value", [row for row in found.slices if row.column == column])
    if found.replay:
        _replay(found.replay)
    if found.found_slices is not None:
        show_found(found.found_slices)
    if found.others:
        table = [
            [row["name"], percent(row["error"], row["error_interval"]), percent(row["nfr"], row["nfr_interval"])]
            for row in found.others
        ]
        show_table("other models against the same old one", ["model", "error", "NFR"], table)
    _verdict(found.gate)


def show_labelled(found: Labelled, *, names: tuple[str, str]) -> None:
    """Print what labels of disagreements say; ``names`` are those of the two models."""
    say(
        f"{names[0]} -> {names[1]}, {found.n:,} images, {found.n_disagreeing:,} disagreements, "
        f"{found.n_labelled:,} of them labelled, {100 * found.confidence:g}% intervals"
    )
    words = dict(_RATES)
    show_table("", ["rate", "value"], [[words[name], _rate(rate)] for name, rate in found.rates.items()])
    _verdict(found.gate)


def _rate(rate: Rate) -> str:
    low, high = rate.interval or (None, None)
    return percent(rate.value, None if low is None or high is None else (low, high))


def _from_scores(scores: Scores) -> list[list[str]]:
    rows = [[f"calibration error, {side}", percent(found.error)] for side, found in scores.calibration.items()]
    rows += _from_graded(scores.graded)
    if scores.ensemble:
        by = scores.ensemble.by
        rows.append([f"both averaged ({by}): accuracy", percent(scores.ensemble.accuracy)])
        rows.append([f"both averaged ({by}): NFR", percent(scores.ensemble.nfr)])
    return rows


def _from_graded(graded: Graded) -> list[list[str]]:
    rates = ((graded.nfr_graded, "graded NFR"), (graded.pfr_graded, "graded PFR"))
    rows = [[words, _rate(rate)] for rate, words in rates if rate]
    flips = ((graded.near_negative_flips, "type I, near"), (graded.large_negative_flips, "type II, large"))
    return rows + [[f"negative flips of {words}", percent(shared.rate)] for shared, words in flips if shared]


def _groups(title: str, key: str, rows: Sequence[Group]) -> None:
    table = [
        [
            str(row.name),
            f"{row.n:,}",
            percent(row.rates.accuracy_old.value),
            percent(row.rates.accuracy_new.value),
            _rate(row.rates.nfr),
            percent(row.rates.pfr.value),
            f"{row.p_corrected:.3g}",
        ]
        for row in rows
    ]
    show_table(title, [key, "images", "old", "new", "NFR", "PFR", "p"], table)


def _replay(replay: Replay) -> None:
    if replay.releases:
        rows = [[one.release, one.file, *_again(one)] for one in replay.releases]
        heads = ["release", "file ", "images", "wrong again", "gone"]
        show_table("remembered images, on the new model", heads, [*rows, ["all", "", *_again(replay)]])
    else:
        say(f"{replay.path} remembers no image of an earlier release.")
    if replay.wrong:
        say(f"Wrong again: {_some(replay.wrong_ids)}")
    if replay.gone:
        say(f"Gone from the data: {_some(replay.gone_ids)}")
    if replay.own:
        say(f"Note: {replay.own:,} remembered images of this very release are left out.")


def _again(one: Replay | ReplayedRelease) -> list[str]:
    return [f"{one.n:,}", f"{one.wrong:,}, {_rate(one.share)}" if one.n else "-", f"{one.gone:,}"]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(map(shorten, ids[:_NAMED])) + (f", and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else "")


def _verdict(gate: Verdict) -> None:
    said = f"{gate.verdict}".upper()
    if gate.verdict is None:
        said = "No verdict: no bounds were set (--max-nfr, --min-accuracy-gain, ...; all are in --help)."
    elif gate.state == "undecided" and gate.bounds.undecided:
        said += f", so {gate.bounds.undecided} (--undecided)"
    say(f"{said} ({gate.price})" if gate.state == "undecided" else said)
    told, left = gate.told()
    for check in told:
        say(f"  {_MARKS[check.state]} {'advisory: ' if check.advisory else ''}{check.sentence}")
    if left:
        say(f"       and {left:,} more groups; --json FILE lists all.")
    for note in gate.notes:
        say(f"  note {note}")
