"""Average stored predictions of several models into one file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from modelheir import analysis, runs
from modelheir.address import predictions_place
from modelheir.checks import InputError
from modelheir.cli.compare import Parser
from modelheir.runs.outputs import check_outputs
from modelheir.screen import percent, say, show_table

__all__ = ["main", "parser"]

_EPILOG = """\
Every model counts alike: a source that is an ensemble itself weighs as much as
the models in it. Averages of logits and of probabilities can name different
classes; the file says by its columns which was taken.

example: modelheir ensemble runs/four.parquet runs/s1 runs/s2 runs/s3 runs/s4
"""


def parser() -> argparse.ArgumentParser:
    """Make the parser of this command."""
    made = Parser(
        prog="modelheir ensemble",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add("target", type=Path, metavar="TARGET", help="the Parquet file to write")
    add("sources", nargs="+", metavar="SOURCE", help="run folders or files of predictions with scores")
    add("--by", choices=("logits", "probabilities"), default="logits", help="what is averaged (default: logits)")
    add("--weights", type=float, nargs="+", metavar="W", help="one a source, times the models in it (default: all 1)")
    add("--split", metavar="NAME", help="split to read from run folders (default: test, else val)")
    return made


def main(argv: list[str] | None = None) -> int:
    """Average, print each accuracy, write the file.

    Raises:
        InputError: If the sources do not fit each other; the dispatcher turns it into code 2.
    """
    given = parser().parse_args(sys.argv[1:] if argv is None else argv)
    if given.target.suffix.lower() != ".parquet":
        raise InputError(f"TARGET {given.target} must end in .parquet; the first word is the file to write.")
    if given.weights is not None:
        if len(given.weights) != len(given.sources):
            raise InputError(f"--weights gives {len(given.weights)} weights for {len(given.sources)} sources.")
        if not all(0 <= weight < float("inf") for weight in given.weights) or not sum(given.weights):
            raise InputError("--weights must be >= 0 and not all 0.")
    places = [predictions_place(source) for source in given.sources]
    files, note = runs.find_files(places, given.split)
    check_outputs([given.target], files)
    names = runs.short_names(places)
    found = analysis.ensemble.ensemble(
        {name: runs.read_predictions(file) for name, file in zip(names, files, strict=True)},
        members=[runs.members_of(file) for file in files],
        weights=given.weights,
        by=given.by,
    )
    runs.write_predictions(given.target, found.predictions, members=found.members)
    if note:
        say(f"Note: {note}.")
    table = [
        [row["name"], f"{row['members']:g}", f"{row['weight']:.3f}", percent(row["accuracy"], row["accuracy_interval"])]
        for row in found.rows
    ]
    show_table(f"average of {given.by}", ["model", "models in it", "weight", "accuracy"], table)
    say(f"Written: {given.target}")
    return 0
