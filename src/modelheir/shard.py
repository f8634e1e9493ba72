"""Which part of a long work one process does: shard ``i`` of ``n``, and the names of its files."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from modelheir.checks import InputError
from modelheir.printable import shorten

__all__ = ["Shard", "parse_shard"]


@dataclasses.dataclass(frozen=True)
class Shard:
    """Shard ``number`` (from 1) of ``of``."""

    number: int
    of: int

    def rows(self, total: int) -> range:
        """Return what it holds of ``total`` in order.

        >>> [list(Shard(number, 3).rows(7)) for number in (1, 2, 3)]
        [[0, 1], [2, 3], [4, 5, 6]]
        """
        return range((self.number - 1) * total // self.of, self.number * total // self.of)

    def file(self, folder: Path, name: str, ending: str = "npy") -> Path:
        """Return one of its files.

        >>> Shard(3, 16).file(Path("cache"), "logits").as_posix()
        'cache/logits-3-of-16.npy'
        """
        return folder / f"{name}-{self.number}-of-{self.of}.{ending}"

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_shard(text: str) -> Shard:
    """Read ``i/n``; empty is the whole.

    Raises:
        InputError: If it is written otherwise, or ``i`` is not from 1 to ``n``.

    Example:
        >>> parse_shard("3/16"), parse_shard("")
        (Shard(number=3, of=16), Shard(number=1, of=1))
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip() or "1/1")
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(f"shard = {shorten(repr(text))}: must be i/n with i from 1 to n, such as 3/16.")
    return Shard(int(found[1]), int(found[2]))
