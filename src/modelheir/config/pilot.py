"""How long a pilot may take: small runs instead of the whole training, and a forecast of what it would gain."""

from __future__ import annotations

import dataclasses
import re

from modelheir.checks import InputError

__all__ = ["PilotConfig", "seconds_of", "time_text"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclasses.dataclass(frozen=True)
class PilotConfig:
    """Settings of ``--pilot``."""

    budget: str = ""  #: time of small runs that forecast what the teacher gains, such as 90s, 10m or 1h; "" trains

    def __post_init__(self) -> None:
        if self.budget:
            seconds_of(self.budget)


def seconds_of(text: str, *, setting: str = "pilot") -> float:
    """Return a stretch of time in seconds.

    Args:
        text: A number above 0 with ``s``, ``m``, ``min`` or ``h`` behind it.
        setting: What was set to it, for messages.

    Raises:
        InputError: If it is none.

    Example:
        >>> [seconds_of(text) for text in ("90s", "10m", "10 min", "1.5h")]
        [90.0, 600.0, 600.0, 5400.0]
    """
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smh])", re.sub(r" ?min$", "m", text))
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not seconds:
        raise InputError(f"{setting} = {text!r}: must be a time above 0 with its unit, such as 90s, 10m or 1h.")
    return seconds


def time_text(seconds: float) -> str:
    """Write a stretch of time so that it is read back, rounded up.

    >>> [time_text(seconds) for seconds in (0.2, 89.1, 601, 7000)]
    ['1s', '90s', '11m', '2h']
    """
    for unit, most in (("s", 120), ("m", 100 * 60)):
        if seconds <= most:
            return f"{_up(seconds / _UNITS[unit])}{unit}"
    return f"{_up(seconds / 3600)}h"


def _up(value: float) -> int:
    return max(1, int(-(-value // 1)))
