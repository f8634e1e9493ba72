"""A comparison in a few lines of Markdown, for a pull request: verdict, bounds, main rates, the worst classes."""

from __future__ import annotations

from pathlib import Path

from modelheir.analysis.comparison import Comparison
from modelheir.analysis.gate.bounds import WORDS
from modelheir.analysis.gate.verdict import Check, Verdict
from modelheir.analysis.record import Rate
from modelheir.report import numerals
from modelheir.report.markdown import code, escape, table
from modelheir.runs import files

__all__ = ["summary_text", "write_summary"]

_MARKS = {"ship": "✅ met", "hold": "❌ missed", "undecided": "⚠️ open"}
_SIGNS = {"ship": "✅", "hold": "❌", "undecided": "⚠️", "none": "⬜"}
_WORST = 5  #: classes shown
_RATES = (("nfr", "Newly wrong (NFR)"), ("pfr", "Mended (PFR)"), ("relative_nfr", "Relative NFR"), ("churn", "Churn"))


def write_summary(path: Path, found: Comparison, *, names: tuple[str, str]) -> None:
    """Write :func:`summary_text` to a file, whole or not at all.

    Raises:
        InputError: If the file cannot be written.
    """
    files.write_text(path, summary_text(found, names=names))


def summary_text(found: Comparison, *, names: tuple[str, str]) -> str:
    """Return Markdown that reads well on GitHub and stays short however many classes there are.

    Args:
        found: What ``analysis.compare`` returned.
        names: What to call the two models.
    """
    gate = found.gate
    said = (gate.verdict or "no verdict").upper()
    if gate.state == "undecided" and gate.bounds.undecided:
        said += f", so {gate.bounds.undecided}"
    parts = [f"## {_SIGNS[gate.state]} {said}: {code(names[0])} → {code(names[1])}", _about(found)]
    told, left = gate.told()
    if told:
        heads = ("", "Bound", "Value", "Interval", "Limit", "More images needed")
        parts.append(table(heads, [_bound(check) for check in told], right=(2, 3, 4, 5)))
    else:
        parts.append("No bounds were set.")
    if left:
        parts.append(f"And {numerals.count(left)} more classes or slices that are missed or open.")
    parts += [_rates(found), _worst(found)]
    notes = ([f"{found.note}."] if found.note else []) + list(gate.notes)
    parts.append("\n".join(f"- Note: {escape(note)}" for note in notes))
    parts.append(_policy(gate))
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(found: Comparison) -> str:
    left_out = f" ({numerals.count(found.n_unlabelled)} without a label left out)" if found.n_unlabelled else ""
    judged = " Bounds are held against the estimates." if found.gate.bounds.point else ""
    return f"{numerals.count(found.n)} labelled images{left_out}, {numerals.share(found.confidence)} intervals.{judged}"


def _bound(check: Check) -> list[str]:
    """Write one bound as the cells of a row."""
    what = WORDS[check.name][0].upper() + WORDS[check.name][1:]
    if check.kind:
        what += f" {code(check.group)}"
    elif check.value is None:
        what = escape(check.sentence)
    limit = f"{'at most' if check.name.startswith('max') else 'at least'} {numerals.percent(check.bound)}"
    needed = ""
    if check.state == "undecided" and check.value is not None:
        needed = "no number decides" if check.needed is None else numerals.count(check.needed)
    mark = _MARKS[check.state] + (", advisory" if check.advisory else "")
    return [mark, what, numerals.percent(check.value), numerals.interval(check.interval), limit, needed]


def _rates(found: Comparison) -> str:
    of = found.rates
    gain = f"{numerals.points(of.accuracy_gain.value)} {numerals.interval(of.accuracy_gain.interval)}".rstrip()
    rows = [["Accuracy", _rate(of.accuracy_old), _rate(of.accuracy_new)], ["Accuracy gain", "", gain]]
    rows += [[words, "", _rate(getattr(of, name))] for name, words in _RATES]
    known = found.scores.calibration if found.scores else {}
    if known:
        sides = [numerals.percent(known[side].error) if side in known else "" for side in ("old", "new")]
        rows.append(["Calibration error (ECE)", *sides])
    return table(("Rate", "Old", "New"), rows, right=(1, 2))


def _rate(rate: Rate) -> str:
    return f"{numerals.percent(rate.value)} {numerals.interval(rate.interval)}".rstrip()


def _worst(found: Comparison) -> str:
    """Write the classes that break most, and what they are taken for."""
    worst = found.worst()
    rows = []
    for group in worst[:_WORST]:
        of = group.rates
        taken = group.answers.confused_with_new if group.answers else None
        sides = [numerals.percent(rate.value) for rate in (of.accuracy_old, of.accuracy_new)]
        row = [code(str(group.name)), numerals.count(group.n), *sides, _rate(of.nfr)]
        rows.append([*row, code(taken) if taken else ""])
    if not rows:
        return "No class has a new mistake."
    of_them = f" ({_WORST} of {numerals.count(len(worst))})" if len(worst) > _WORST else ""
    heads = ("Class", "Images", "Right, old", "Right, new", "Newly wrong", "Now most taken for")
    return f"Classes with the most new mistakes{of_them}:\n\n{table(heads, rows, right=(1, 2, 3, 4))}"


def _policy(gate: Verdict) -> str:
    bounds = gate.bounds
    return f"Policy {code(bounds.policy)}, SHA-256 `{bounds.policy_sha256}`." if bounds.policy else ""
