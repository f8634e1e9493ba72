"""What the gate says: a verdict for every bound, class and slice, and for the release."""

from __future__ import annotations

import dataclasses
from typing import Any

from modelheir.analysis.gate.bounds import GateConfig
from modelheir.analysis.record import Ends, Record, plain

__all__ = ["HOLD", "SHIP", "SHOWN", "STATES", "UNDECIDED", "Check", "Verdict"]

SHIP, HOLD, UNDECIDED = "ship", "hold", "not enough images"
STATES = {SHIP: "ship", HOLD: "hold", UNDECIDED: "undecided", None: "none"}  #: verdict -> one word, for pages
_CODES = {SHIP: 0, HOLD: 1, UNDECIDED: 3, None: 0}
SHOWN = 5  #: groups that a reader is told of before "and so many more"


@dataclasses.dataclass(frozen=True, eq=False)
class Check(Record):
    """One bound, held against all images, a class or a slice."""

    name: str  #: the bound's setting
    verdict: str  #: ``ship``, ``hold`` or ``not enough images``
    sentence: str
    bound: float | None = None
    value: float | None = None  #: ``None`` where nothing could be judged
    interval: Ends | None = None
    needed: int | None = None  #: further images that would decide at this rate; ``None`` where none do or need to
    advisory: bool = False  #: shown, and decides nothing
    kind: str = ""  #: ``class`` or ``slice``; empty for all images
    group: str = ""  #: which one
    n: int | None = None  #: its images

    @property
    def state(self) -> str:
        """The verdict in one word: ``ship``, ``hold`` or ``undecided``."""
        return STATES[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return what was judged; a group stands under its kind."""
        found = super().to_json()
        kind, group = found.pop("kind"), found.pop("group")
        return {key: value for key, value in found.items() if value is not None} | ({kind: group} if kind else {})


@dataclasses.dataclass(frozen=True, eq=False)
class Verdict(Record):
    """What the gate says."""

    verdict: str | None  #: ``ship``, ``hold`` or ``not enough images``; ``None`` without bounds
    notes: tuple[str, ...]
    checks: tuple[Check, ...]  #: every bound, group by group; those that are missed first
    bounds: GateConfig

    @property
    def passed(self) -> bool | None:
        """True to ship, false to hold; ``None`` where nothing is decided."""
        return {SHIP: True, HOLD: False}.get(self.verdict or "")

    @property
    def state(self) -> str:
        """The verdict in one word: ``ship``, ``hold``, ``undecided``, or ``none`` where no bounds are set."""
        return STATES[self.verdict]

    @property
    def exit_code(self) -> int:
        """0 to ship or without bounds, 1 to hold, 3 where the images are too few and ``undecided`` says nothing."""
        return _CODES[self.bounds.undecided or self.verdict if self.verdict == UNDECIDED else self.verdict]

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each required bound that is not met."""
        return tuple(check.sentence for check in self.checks if check.verdict != SHIP and not check.advisory)

    @property
    def needed(self) -> dict[str, int | None]:
        """Required bound -> further images that would decide it, over its groups; ``None`` where no number would."""
        found: dict[str, int | None] = {}
        for check in self.checks:
            if check.verdict == UNDECIDED and not check.advisory:
                so_far = found.get(check.name, 0)
                found[check.name] = None if so_far is None or check.needed is None else so_far + check.needed
        return found

    @property
    def price(self) -> str:
        """What a decision needs, in words: ``max_nfr: about 1,200 more images``; empty where nothing is open."""
        told = {
            name: "no number would do at this rate" if images is None else f"about {images:,} more"
            for name, images in self.needed.items()
        }
        return ", ".join(f"{name}: {words}" for name, words in told.items())

    def told(self) -> tuple[tuple[Check, ...], int]:
        """Return the checks that a reader is shown, and how many groups are left out.

        Of each bound on groups these are the first few that do not ship; where all do, the one nearest to its bound.
        """
        shown: list[Check] = []
        left = 0
        for name in dict.fromkeys(check.name for check in self.checks):
            same = [check for check in self.checks if check.name == name]
            open_ = [check for check in same if check.verdict != SHIP]
            shown += open_[:SHOWN] or same[:1]
            left += len(open_[SHOWN:])
        return tuple(shown), left

    def to_json(self) -> dict[str, Any]:
        """Return the verdict, what it rests on, and what it still needs."""
        head = {"verdict": self.verdict, "passed": self.passed, "reasons": list(self.reasons), "needed": self.needed}
        return {**head, "notes": list(self.notes), "checks": plain(self.checks), "bounds": plain(self.bounds)}
