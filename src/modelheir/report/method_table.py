r"""The table of methods as Markdown, LaTeX and CSV, in the layout of the published tables.

Accuracies have two decimals and no leading zero. What is close to the best of its row is bold, what is as good as the
oracle bold and italic. Cells without a run are a dash, failed ones say so, and notes below tell what else a reader must
know. LaTeX has two parts, as a page is too narrow for all columns; it needs the package ``booktabs``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from modelheir import checks
from modelheir.analysis.sequences.cells import Cell, Mark, MethodTable, Summary
from modelheir.analysis.sequences.results import Column
from modelheir.printable import printable
from modelheir.report import markdown, numerals
from modelheir.report.table import to_csv

__all__ = ["as_csv", "as_latex", "as_markdown", "short", "tex"]

Spread = Literal["none", "std", "interval"]
_CSV = (
    *("row", "column", "accuracy", "accuracy_low", "accuracy_high", "std", "n", "seeds", "values", "chosen", "mark"),
    *("rank", "failed", "behind", "behind_low", "behind_high"),
)
_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_TEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": "$<$", ">": "$>$"}


def as_markdown(table: MethodTable, *, spread: Spread = "interval") -> str:
    """Write the table as Markdown, with notes.

    Args:
        table: What :func:`modelheir.analysis.sequences.method_table` made.
        spread: What stands behind a mean of several seeds: nothing, the standard deviation or the interval over seeds.
    """
    _check(spread)
    around = {"best": "**", "oracle": "***", "": ""}

    def write(text: str, mark: Mark) -> str:
        return f"{around[mark]}{text}{around[mark]}"

    names = [column.name for column in table.columns]
    rows = [
        [markdown.escape(row.name), *(_written(row.cells[name], spread, write, failed="failed") for name in names)]
        for row in table.rows
    ]
    totals = [table.summaries[name] for name in names]
    rows += [
        ["Mean", *(write(short(one.mean), one.mark) + _of(one, table) for one in totals)],
        ["Std dev", *(short(one.std) for one in totals)],
        ["Mean rank", *(numerals.MISSING if one.rank is None else f"{one.rank:.1f}" for one in totals)],
    ]
    heads = [markdown.escape(table.name), *(markdown.escape(name) for name in names)]
    text = markdown.table(heads, rows, right=range(1, len(heads)))
    return "\n".join([text, "", *(f"- {markdown.escape(note)}" for note in _notes(table, spread)), ""])


def as_latex(table: MethodTable, *, spread: Spread = "none", groups: Sequence[int] = (4, 8)) -> str:
    """Write the table as LaTeX: two parts one below the other, and mean and standard deviation over rows.

    Args:
        table: What :func:`modelheir.analysis.sequences.method_table` made.
        spread: As for :func:`as_markdown`; with ``std`` the rows of means are left out, as in the published version.
        groups: Rows before which a rule is drawn, ``>= 1``.
    """
    _check(spread)
    parts = [[column for column in table.columns if column.half == half] for half in (0, 1)]
    parts = [part for part in parts if part]
    width = max(len(part) for part in parts)
    lines = [rf"\begin{{tabular}}{{l*{{{width}}}{{c}}}}", r"\toprule"]
    for number, part in enumerate(parts):
        lines += [r"\midrule"] * (number > 0)
        lines += [_line([tex(table.name), *_spaced([tex(column.name) for column in part], part, width)]), r"\midrule"]
        for place, row in enumerate(table.rows):
            lines += [r"\midrule"] * (place in groups)
            cells = [_written(row.cells[c.name], spread, _tex_mark, failed=r"\emph{failed}", none="---") for c in part]
            lines.append(_line([tex(row.name), *_spaced(cells, part, width)]))
        if spread == "none":
            totals = [table.summaries[column.name] for column in part]
            means = [_tex_mark(short(one.mean, none="---"), one.mark) for one in totals]
            stds = [short(one.std, none="---") for one in totals]
            lines += [r"\midrule", _line(["Mean", *_spaced(means, part, width)])]
            lines.append(_line(["Std dev", *_spaced(stds, part, width)]))
    notes = [f"% {printable(note)}" for note in _notes(table, spread)]
    return "\n".join([*notes, *lines, r"\bottomrule", r"\end{tabular}", ""])


def as_csv(table: MethodTable) -> str:
    """Write one line a cell, not rounded, and one a column for the mean over rows."""
    rows = [
        {
            **{"row": row.name, "column": name, "accuracy": cell.mean, "accuracy_interval": cell.interval},
            **{"std": cell.std, "n": len(cell.values), "seeds": list(cell.seeds), "values": list(cell.values)},
            **{"chosen": list(cell.chosen), "mark": cell.mark, "rank": cell.rank, "failed": "; ".join(cell.failed)},
        }
        for row in table.rows
        for name, cell in row.cells.items()
    ]
    rows += [
        {
            **{"row": "Mean", "column": name, "accuracy": one.mean, "std": one.std, "n": one.rows, "mark": one.mark},
            **{"rank": one.rank, "behind": one.behind, "behind_interval": one.behind_interval},
        }
        for name, one in table.summaries.items()
    ]
    return to_csv(rows, _CSV)


def short(value: float | None, *, none: str = numerals.MISSING) -> str:
    """Write a fraction with two decimals and no leading zero.

    >>> short(0.714), short(1.0), short(None, none="---")
    ('.71', '1.00', '---')
    """
    return f"{value:.2f}".removeprefix("0") if numerals.is_number(value) else none


def tex(text: str) -> str:
    r"""Write text so that LaTeX sets it as it is.

    >>> print(tex("a_b & 50%"))
    a\_b \& 50\%
    """
    return re.sub(r"[\\&%$#_{}~^<>]", lambda found: _TEX[found[0]], printable(text))


def _check(spread: str) -> None:
    checks.one_of(("none", "std", "interval"), spread=spread)


def _tex_mark(text: str, mark: Mark) -> str:
    bold = rf"\textbf{{{text}}}"
    return {"": text, "best": bold, "oracle": rf"\textit{{{bold}}}"}[mark]


def _written(
    cell: Cell, spread: Spread, mark: Callable[[str, Mark], str], *, failed: str, none: str = numerals.MISSING
) -> str:
    if cell.mean is None:
        return failed if cell.failed else none
    text = mark(short(cell.mean), cell.mark)
    if spread == "std" and cell.std is not None:
        text += f" ({short(cell.std)})"
    elif spread == "interval" and cell.interval is not None:
        text += f" [{short(cell.interval[0])}, {short(cell.interval[1])}]"
    return f"{text} ({len(cell.failed)} {failed})" if cell.failed else text


def _of(one: Summary, table: MethodTable) -> str:
    """Say over how many rows a mean is, where it is not over all."""
    return f" ({one.rows} of {len(table.rows)})" if 0 < one.rows < len(table.rows) else ""


def _spaced(cells: Sequence[str], part: Sequence[Column], width: int) -> list[str]:
    """Put the oracle last, at the full width."""
    plain = [cell for cell, column in zip(cells, part, strict=True) if not column.oracle]
    last = [cell for cell, column in zip(cells, part, strict=True) if column.oracle]
    return [*plain, *[""] * (width - len(plain) - len(last)), *last]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _notes(table: MethodTable, spread: Spread) -> list[str]:
    cells = [(row.name, name, cell) for row in table.rows for name, cell in row.cells.items()]
    counts = Counter(len(cell.values) for _, _, cell in cells if cell.values)
    seeds = ", ".join(f"{count} in {cells_of} cells" for count, cells_of in sorted(counts.items()))
    notes = [f"Test accuracy on the last step, mean over seeds ({seeds or 'no run'})."]
    if spread == "interval" and any(cell.interval for _, _, cell in cells):
        notes.append("In brackets: 95 % Student-t interval over seeds.")
    if spread == "std" and any(cell.std is not None for _, _, cell in cells):
        notes.append("In brackets: standard deviation over seeds.")
    notes.append(
        "Bold: within .02 of the best of its row. Bold italic: no more than .02 below the oracle, or above it."
    )
    notes.append("Means: the same where the mean difference lies within one standard deviation of 0, over rows.")
    for column in table.columns:
        own = [cell for _, name, cell in cells if name == column.name]
        if any(cell.tried > 1 for cell in own):
            which = "test" if table.rule == "compat" else "validation"
            done = Counter(method for cell in own for method in cell.chosen)
            told = ", ".join(f"{name} {times} times" for name, times in sorted(done.items()))
            notes.append(f"{column.name}: the best setting by {which} accuracy of the last step ({told}).")
    notes += [f"Failed: {reason}." for _, _, cell in cells for reason in cell.failed]
    if table.left_out:
        notes.append(f"Methods without a column: {', '.join(table.left_out)}.")
    return notes
