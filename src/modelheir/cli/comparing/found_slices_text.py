"""Found slices on the terminal: a few lines a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelheir.screen import percent, say

if TYPE_CHECKING:
    from modelheir.analysis.record import Rate
    from modelheir.analysis.slices.found import FoundSlice, FoundSlices

__all__ = ["show_found"]

_SHOWN = 5  #: groups; all are in the JSON and on the page
_IDS = 3  #: images named of a group


def show_found(found: FoundSlices) -> None:
    """Print the groups found, or that none was."""
    say(
        f"Slices nobody named: {len(found.slices):,} found among {found.looked_at:,} groups made on "
        f"{found.n_finding:,} images, {found.tested:,} of them tested on {found.n_testing:,} others "
        f"(corrected p <= {found.level:.3g})."
    )
    for number, one in enumerate(found.slices[:_SHOWN], 1):
        _show(number, one)
    if len(found.slices) > _SHOWN:
        say(f"  and {len(found.slices) - _SHOWN:,} more; --json FILE lists all.")


def _show(number: int, one: FoundSlice) -> None:
    of = f" of class {one.true_class}" if one.true_class else ""
    say(
        f"  {number}. {one.n:,} images{of}: NFR {_rate(one.nfr)} on the {one.n_tested:,} tested, "
        f"{_rate(one.nfr_rest)} elsewhere, p {one.p_corrected:.2g}"
    )
    words = "; ".join(f"{word.kind} {word.value} {word.share:.0%} ({word.lift:.1f}x)" for word in one.words)
    if words:
        say(f"     stands out: {words}")
    some = ", ".join(member.sample_id for member in one.broken[:_IDS])
    say(f"     {one.n_broken:,} newly wrong, such as {some}; made as {one.rule}")


def _rate(rate: Rate) -> str:
    low, high = rate.interval or (None, None)
    return percent(rate.value, None if low is None or high is None else (low, high))
