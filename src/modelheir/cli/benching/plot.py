"""``plot``: pictures of runs of train adapt and of a benchmark's cells, and of the snapshots of any run."""

from __future__ import annotations

from modelheir.bench import pictures
from modelheir.bench.pictures.settings import KINDS, PlotConfig, accept
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.extras import need_train
from modelheir.screen import say

__all__ = ["main"]

SPEC = Spec(
    command="plot",
    about=(
        "Draw what strategies of train adapt do to a network, or where the weights of any run went. RUN is a run\n"
        "folder, or a folder of bench run: all its cells. KIND is one of\n\n"
        + "\n".join(f"  {name:<13} {about}" for name, (about, _) in KINDS.items())
    ),
    configs={"": PlotConfig},
    words="KIND [RUN ...]",
    epilog=(
        "Each picture is an SVG file with a CSV file of its numbers beside it. Only files that the folder's own\n"
        "pictures.json names are written over. docs/pictures.md shows them."
    ),
)


def main(argv: list[str]) -> int:
    """Draw, and say where the pictures are."""
    said = parse(SPEC, argv)
    kind, *runs = said.words
    config: PlotConfig = said.configs[""]
    accept(kind, config, len(runs))
    need_train("drawing what networks do")
    found = pictures.draw_pictures(kind, runs, config)
    for note in found.notes:
        say(note)
    say(*(f"Picture: {path} (numbers: {path.with_suffix('.csv').name})" for path in found.pictures))
    return 0
