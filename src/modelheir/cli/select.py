"""Select from a pool of unlabelled images: copies dropped, scored by a teacher, the best of each class, one list."""

from __future__ import annotations

import dataclasses

from modelheir import assemble
from modelheir.assemble import SelectConfig, Selection
from modelheir.assemble.run_settings import run_settings
from modelheir.cli.next_step import next_distill
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.engine.progress import make_progress
from modelheir.extras import need_train
from modelheir.printable import shorten
from modelheir.screen import percent, say, show_table

__all__ = ["main"]

_ROWS = 30  #: classes of the table; the page has all

SPEC = Spec(
    command="select",
    about=(
        "Select from a pool of unlabelled images: score it by a teacher, drop copies of images that you evaluate or\n"
        "train on, take the top_k surest images of each class, and write them with your labelled images as one list,\n"
        "which `--unlabelled manifest:OUT/manifest.parquet` reads, beside the same --data."
    ),
    configs={"": SelectConfig},
    epilog=(
        "In OUT: manifest.parquet, removed.parquet (every removed image with its partner), report.html to look at the\n"
        "removed pairs, selection.json, and scores/. On many machines: --shard 1/16 ... --shard 16/16 with one OUT;\n"
        "a finished shard is not scored again, and who finishes the last one selects. docs/select.md tells more.\n"
        "Copies are confirmed by keypoints where OpenCV is installed: pip install 'modelheir[dedup]'."
    ),
)


def main(argv: list[str]) -> int:
    """Select, print the balance of the classes, and say where the page is."""
    first = parse(SPEC, argv).configs[""]
    first.need()
    need_train("scoring images")
    config = parse(dataclasses.replace(SPEC, defaults=run_settings(first.teacher)), argv).configs[""]
    with make_progress(quiet=config.quiet) as progress:
        found = assemble.select_images(config, progress, command=["modelheir", "select", *argv])
    _show(found)
    if not found.waiting:
        say(f"Next: {next_distill(config.teacher, config.data, config.inputs, found.manifest)}")
    return 0


def _show(found: Selection) -> None:
    if found.bad:
        named = ", ".join(shorten(name) for name in list(found.bad)[:20]) + (", ..." if len(found.bad) > 20 else "")
        say(f"{len(found.bad):,} of {found.pool:,} images of the pool cannot be decoded: {named}")
    if found.waiting:
        some = ", ".join(found.waiting[:10]) + (", ..." if len(found.waiting) > 10 else "")
        say(*found.notes, f"Scored. Nothing is selected yet: {len(found.waiting)} shards are not scored ({some}).")
        return
    shown = sorted(found.classes, key=lambda one: (one.chosen, one.name))[:_ROWS]
    table = [
        [one.name, f"{one.pool:,}", f"{one.chosen:,}", percent(one.lowest), f"{one.labelled:,}"]
        for one in (found.classes if len(found.classes) <= _ROWS else shown)
    ]
    title = f"{found.chosen:,} of {found.pool:,} images of the pool are selected, at most {found.top_k:,} a class"
    if len(found.classes) > _ROWS:
        title += f"; the {_ROWS} classes with the fewest of {len(found.classes):,}"
    show_table(title, ["class", "in the pool", "selected", "least sure", "labelled"], table)
    for (split, reason), count in sorted(found.count_removed().items()):
        what = "other images of the pool" if split == "pool" else f"{split} images"
        say(f"Removed: {count:,} copies of {what}, by {reason}.")
    if not found.removed:
        say("Removed: no copies were found.")
    say(f"Copies are confirmed by {found.rules}.", *found.notes)
    say(f"List: {found.manifest}", f"Report: {found.page}")
