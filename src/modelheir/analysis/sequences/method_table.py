"""The table of methods: a row an architecture (or a length of the sequence), a column a method, each cell over seeds.

Marks follow Ji, Alaa and Sontag, "Seq-to-Final", 2024, arXiv:2407.09642: a cell is ``best`` within 0.02 of the best
cell of its row that is no oracle, and ``oracle`` where it is no further below the oracle; a column's mean is so where
the mean of its differences lies less than one standard deviation of them above 0. Ours differs by the rule ``fixed``:
of several schedules the one that did best on validation images stands in a column, for each seed, and all seeds count.
By ``compat`` it is the one that did best on the *test* images, and seed 1007 alone counts, as the older summary has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from modelheir import checks
from modelheir.analysis.arms import over_seeds
from modelheir.analysis.sequences.cells import Cell, Mark, MethodTable, Row, Summary
from modelheir.analysis.sequences.results import PUBLISHED, Column, Result
from modelheir.checks import InputError

__all__ = ["method_table"]

_SEED = 1007  #: the one that the older summary reads
_SLACK = 1e-9  #: two hundredths are not exactly so in binary


def method_table(
    results: Iterable[Result],
    rows: Mapping[str, str],
    *,
    by: Literal["architecture", "sequence"] = "architecture",
    columns: Sequence[Column] = PUBLISHED,
    rule: Literal["fixed", "compat"] = "fixed",
    tolerance: float = 0.02,
    name: str = "Model",
) -> MethodTable:
    """Tabulate results.

    Args:
        results: Of one sequence where rows are architectures, of one architecture where they are sequences.
        rows: What each row is called -> the architecture or sequence that it holds, in order.
        by: What the rows are.
        columns: In order.
        rule: How one of several runs is chosen for a column, and which seeds count; see the file.
        tolerance: Accuracy within which a cell counts as the best, ``>= 0``.
        name: Of the column of row names.

    Returns:
        The table; a cell without any run is there and empty, and methods of no column are named.

    Raises:
        InputError: If an accuracy is no fraction, a run comes twice, a choice lacks validation accuracies, results are
            of several sequences (architectures), or none is left.
    """
    checks.one_of(("fixed", "compat"), rule=rule)
    checks.one_of(("architecture", "sequence"), by=by)
    checks.at_least(0, tolerance=tolerance)
    found = [one for one in results if getattr(one, by) in set(rows.values())]
    if rule == "compat":
        found = [one for one in found if one.seed == _SEED]
    _check(found, by, rule)
    table = [
        _marked(
            Row(
                label,
                {
                    column.name: _cell(
                        [one for one in found if getattr(one, by) == held and column.takes(one.method)], column, rule
                    )
                    for column in columns
                },
            ),
            columns,
            tolerance,
        )
        for label, held in rows.items()
    ]
    left_out = sorted({one.method for one in found if not any(column.takes(one.method) for column in columns)})
    return MethodTable(name, tuple(columns), tuple(table), _summaries(table, columns), tuple(left_out), rule)


def _check(found: Sequence[Result], by: str, rule: str) -> None:
    if not found:
        extra = f" of seed {_SEED}, the only one that compat counts" if rule == "compat" else ""
        raise InputError(f"there is no result{extra} for any row of the table.")
    other = "sequence" if by == "architecture" else "architecture"
    several = sorted({getattr(one, other) for one in found})
    if len(several) > 1:
        raise InputError(f"a table is of one {other}, and the results are of {', '.join(several)}: choose one of them.")
    seen: set[tuple[Any, ...]] = set()
    for one in found:
        run = (one.architecture, one.method, one.sequence, one.seed)
        if run in seen:
            raise InputError(f"{_title(one)} comes twice: leave one of the two out.")
        seen.add(run)
        for value in (one.accuracy, one.validation):
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{_title(one)}: {value!r} is no accuracy: must be a fraction from 0 to 1.")


def _title(one: Result) -> str:
    return f"{one.method} of {one.architecture} on {one.sequence}, seed {one.seed}"


def _cell(runs: Sequence[Result], column: Column, rule: str) -> Cell:
    """Choose one run a seed, and put the seeds together."""
    chosen: list[Result] = []
    tried = 0
    for seed in sorted({one.seed for one in runs}):
        done = [one for one in runs if one.seed == seed and one.accuracy is not None]
        if not done:
            continue
        tried = max(tried, len(done))
        if len(done) > 1 and rule == "fixed":
            lacking = [one for one in done if one.validation is None]
            if lacking:
                raise InputError(
                    f"column {column.name}: {_title(lacking[0])} has no validation accuracy, by which one of "
                    f"{len(done)} settings is chosen: give it, or take rule = 'compat', which chooses by test accuracy."
                )
        chosen.append(max(done, key=lambda one: (one.validation if rule == "fixed" else one.accuracy) or 0.0))
    values = tuple(one.accuracy for one in chosen if one.accuracy is not None)
    failed = tuple(f"{_title(one)}: {one.failed or 'failed'}" for one in runs if one.accuracy is None)
    seeds = tuple(one.seed for one in chosen)
    names = tuple(one.method for one in chosen)
    if not values:
        return Cell(None, None, None, seeds, values, names, tried, failed)
    mean, interval = over_seeds(values, within=(0.0, 1.0))
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(mean, interval, std, seeds, values, names, tried, failed)


def _marked(row: Row, columns: Sequence[Column], tolerance: float) -> Row:
    """Give cells of a row their marks and ranks."""
    from scipy.stats import rankdata

    means = {column.name: row.cells[column.name].mean for column in columns}
    rivals = {c.name: value for c in columns if not c.oracle and (value := means[c.name]) is not None}
    oracles = [value for c in columns if c.oracle and (value := means[c.name]) is not None]
    best, oracle = max(rivals.values(), default=np.inf), max(oracles, default=np.inf)
    ranks = dict(zip(rivals, rankdata([-value for value in rivals.values()]), strict=True))
    cells = dict(row.cells)
    for name, value in rivals.items():
        mark: Mark = "best" if best - value <= tolerance + _SLACK else ""
        mark = "oracle" if value >= oracle - tolerance - _SLACK else mark
        cells[name] = cells[name]._replace(mark=mark, rank=float(ranks[name]))
    return Row(row.name, cells)


def _summaries(table: Sequence[Row], columns: Sequence[Column]) -> dict[str, Summary]:
    """Put the rows of each column together."""
    means = {
        column.name: {row.name: value for row in table if (value := row.cells[column.name].mean) is not None}
        for column in columns
    }
    rivals = [c.name for c in columns if not c.oracle and means[c.name]]
    best = max(rivals, key=lambda name: float(np.mean(list(means[name].values()))), default="")
    oracle = next((c.name for c in columns if c.oracle and means[c.name]), "")
    found = {}
    for column in columns:
        values, own = list(means[column.name].values()), column.name
        if not values:
            found[own] = Summary(None, None, 0)
            continue
        ranks = [rank for row in table if (rank := row.cells[own].rank) is not None]
        gaps = {other: _gaps(means[other], means[own]) for other in (best, oracle) if other}
        mark: Mark = ""
        if own in rivals:
            mark = "best" if own == best or _near(gaps.get(best, ())) else ""
            mark = "oracle" if oracle and _near(gaps[oracle]) else mark
        behind = gaps.get(best) if own != best else None
        mean_gap, interval = over_seeds(behind) if behind else (None, None)
        rank = float(np.mean(ranks)) if ranks else None
        found[own] = Summary(float(np.mean(values)), float(np.std(values)), len(values), mark, rank, mean_gap, interval)
    return found


def _gaps(of: Mapping[str, float], own: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(of[row] - own[row] for row in of if row in own)


def _near(gaps: Sequence[float]) -> bool:
    return bool(gaps) and float(np.mean(gaps) - np.std(gaps)) < 0
