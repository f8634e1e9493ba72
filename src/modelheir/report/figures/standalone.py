"""A figure as a file of its own: the colours of the page written out, on white, with the numbers beside it as CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from modelheir.printable import printable
from modelheir.report.figures.svg import tag
from modelheir.report.table import to_csv
from modelheir.runs import files

__all__ = ["standalone", "write_figure"]

_VARIABLE = re.compile(r"var\(--([\w-]+)\)")
_FONT = "font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif; font-size: 12px"


def write_figure(path: Path, picture: Markup, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Path:
    """Write a figure and its numbers, each file whole or not at all.

    Args:
        path: Of the picture; the numbers go beside it, ending in ``.csv``.
        picture: What a function of this package drew.
        rows: The numbers that were drawn, one mapping a line.
        columns: Names of their columns, in order.

    Returns:
        The path of the picture.
    """
    path = Path(path)
    files.write_text(path.with_suffix(".csv"), to_csv(rows, columns))
    files.write_text(path, standalone(picture))
    return path


def standalone(picture: Markup) -> str:
    """Return a figure with the rules of the style sheet that it needs, in the light colours: no page is needed.

    Drawing programs read no variables, so colours are written out.
    """
    text = printable(str(picture), keep="\n\t")
    classes = set(" ".join(re.findall(r'class="([^"]*)"', text)).split())
    sheet = resources.files("modelheir.report").joinpath("templates", "page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): ([^;]+);", sheet[: sheet.index("@media")]))
    sheet = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet)
    kept = []
    for heads, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet):
        own = [head.strip() for head in heads.split(",")]
        own = [h for h in own if re.fullmatch(r"(?:\.[\w-]+ ?)+", h) and set(re.findall(r"[\w-]+", h)) <= classes]
        if own:
            colour = _VARIABLE.sub(lambda found: colours[found[1]], body)
            kept.append(f"{', '.join(own)} {{{colour}}}")
    width, height = (float(part) for part in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)[0])
    ground = tag("rect", width=width, height=height, fill=colours["card"])
    style = tag("style", Markup("\n".join(["", f"svg {{ {_FONT}; }}", *kept, ""])))
    opening, rest = text.split(">", 1)
    return f'{opening} width="{width:g}" height="{height:g}">{style}{ground}{rest}\n'
