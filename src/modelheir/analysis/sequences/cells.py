"""What the table of methods is made of: cells over seeds, rows, and the columns put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal, NamedTuple

from modelheir.analysis.sequences.results import Column

__all__ = ["Cell", "Mark", "MethodTable", "Row", "Summary"]

#: ``best``: close to the best of its row; ``oracle``: close to the oracle as well, or above it
Mark = Literal["", "best", "oracle"]


class Cell(NamedTuple):
    """One method on one row, over seeds."""

    mean: float | None  #: test accuracy, a fraction; None where no run has one
    interval: tuple[float, float] | None  #: 95 %, Student's t over seeds; none for a single seed
    std: float | None  #: of a sample of seeds; none for a single one
    seeds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()  #: a seed each
    chosen: tuple[str, ...] = ()  #: the method whose run stands there, a seed each
    tried: int = 0  #: runs of a seed that one was chosen from, at most
    failed: tuple[str, ...] = ()  #: runs without an accuracy, and why
    mark: Mark = ""
    rank: float | None = None  #: among the cells of its row that have a mean and are no oracle; 1 is the best


class Row(NamedTuple):
    """One row of the table."""

    name: str
    cells: Mapping[str, Cell]  #: column -> cell; every column is there


class Summary(NamedTuple):
    """One column over the rows that have a mean."""

    mean: float | None
    std: float | None  #: of these rows as a whole (divided by their number)
    rows: int  #: that have a mean
    mark: Mark = ""
    rank: float | None = None  #: mean over rows; of what each row has
    behind: float | None = None  #: mean difference from the best column over shared rows, ``>= 0`` mostly
    behind_interval: tuple[float, float] | None = None  #: 95 %, Student's t over shared rows


@dataclasses.dataclass(frozen=True)
class MethodTable:
    """The whole table; ``report`` writes it and computes nothing."""

    name: str  #: of the column of row names
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    summaries: Mapping[str, Summary]  #: column -> over rows
    left_out: tuple[str, ...]  #: methods that stand in no column
    rule: str  #: ``fixed`` or ``compat``
