"""Typed values that know their JSON, and can be read by its keys too: ``found.rates.nfr`` or ``found["nfr"]``."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Ends", "Rate", "Record", "plain"]

Ends = tuple[float | None, float | None]  #: low and high end of an interval; an end may be unknown


class Record(Mapping[str, Any]):
    """A frozen dataclass that reads as the mapping of its JSON; equal to any mapping with the same items."""

    def to_json(self) -> dict[str, Any]:
        """Return what stands in a JSON file: names to plain values."""
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @functools.cached_property
    def _json(self) -> dict[str, Any]:
        return self.to_json()

    def __getitem__(self, key: str) -> Any:
        return self._json[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._json)

    def __len__(self) -> int:
        return len(self._json)


def plain(value: Any) -> Any:
    """Return ``value`` with records as dicts and tuples as lists.

    >>> plain({"a": (1, 2)})
    {'a': [1, 2]}
    """
    if isinstance(value, Record):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@dataclasses.dataclass(frozen=True)
class Rate:
    """A value with its interval."""

    value: float | None  #: ``None`` where it is not defined
    interval: Ends | None = None  #: ``None`` where it has none

    @property
    def rest(self) -> Rate:
        """What is missing to 1: the error of an accuracy.

        >>> Rate(0.75, (0.5, 1.0)).rest
        Rate(value=0.25, interval=(0.0, 0.5))
        """
        low, high = (None, None) if self.interval is None else self.interval
        ends = None if low is None or high is None else (1 - high, 1 - low)
        return Rate(None if self.value is None else 1 - self.value, ends)

    def named(self, name: str) -> dict[str, Any]:
        """Return ``{name: value}``, and ``name_interval`` where there is an interval: the columns of a table."""
        ends = {} if self.interval is None else {f"{name}_interval": list(self.interval)}
        return {name: self.value, **ends}
