"""Average the weights of fine-tunes of one network, or of the snapshots along one training, into one model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from modelheir import assemble
from modelheir.assemble import AverageConfig, Averaged
from modelheir.cli.next_step import next_compare, next_report
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.config.run import TrainConfig
from modelheir.engine.progress import make_progress
from modelheir.extras import need_train
from modelheir.runs.folder import RunFolder
from modelheir.screen import percent, say, show_table, speaks

__all__ = ["SPEC", "main"]

_ROWS = 8  #: models alone that the table shows; of more, the best and the last
_RATES = ("accuracy", "nfr", "pfr")

SPEC = Spec(
    command="average",
    about=(
        "Average weights: fine-tunes of one network, or the snapshots along one training, become one model, as cheap\n"
        "to use as one of them.\n\n"
        "  modelheir average run:runs/a run:runs/b run:runs/c --out runs/average\n"
        "  modelheir average --snapshots run:runs/a --out runs/average\n"
        "  modelheir average --snapshots run:runs/a --by lawa:3 --by ema:0.9 --out runs/average\n\n"
        "Snapshots are kept by `modelheir train ... --fit.snapshots.every_epochs 1`. The ways:\n\n"
        "  uniform       the mean of all\n"
        "  greedy        from the best model alone; each joins that does not make it worse on the selection images\n"
        "  swa[:SHARE]   the mean of the newest share of the snapshots, a quarter by itself\n"
        "  lawa:K        the mean of the K newest\n"
        "  ema:D         a moving average of decay D, from the oldest on\n"
        "  auto          every one that fits: the default, as which one wins differs from task to task, and a trial\n"
        "                costs a few passes over images and no training\n\n"
        "The best on the selection images (val) is kept. The reporting images (test) choose nothing."
    ),
    configs={"": AverageConfig},
    words="[MODEL ...]",
    ignored=("command",),
    epilog=(
        "MODEL is a run folder, run:DIR, run:DIR#STAGE, file:PATH, tv:NAME, timm:NAME or pkg:NAME: all of one\n"
        "network, trained from the same weights, else halfway between them lies a bad model. OUT is a run folder as\n"
        "`train` leaves one. docs/average.md tells more."
    ),
)


def main(argv: list[str]) -> int:
    """Average, print the tables and the next command."""
    said = parse(SPEC, argv)
    first = _with_words(said.configs[""], said.words)
    first.need()
    need_train("averaging models")
    own = assemble.own_settings(first.addresses)
    config = _with_words(parse(dataclasses.replace(SPEC, defaults=own), argv).configs[""], said.words)
    with make_progress(quiet=config.quiet) as progress:
        found = assemble.average(config, progress, command=["modelheir", "average", *argv])
    if speaks():
        _show(found)
        say(f"Next: {_next(found, config)}")
    return 0


def _with_words(config: AverageConfig, words: Sequence[str]) -> AverageConfig:
    """Take the models that the command line names in place of those of a settings file."""
    return dataclasses.replace(config, models=tuple(words)) if words else config


def _show(found: Averaged) -> None:
    count = found.ways[0]["n"]
    what = f"{found.of} {'snapshots, oldest first' if found.in_time else 'models'}"
    recalibrated = any(row["as_averaged"] is not None for row in found.ways)
    columns = ["", "models", "accuracy", "NFR", "PFR", *(["not recalibrated"] if recalibrated else []), " "]
    table = [
        [
            row["model"],
            f"{len(row['members'])}",
            *(percent(row[key], row[f"{key}_interval"]) for key in _RATES),
            *([percent(row["as_averaged"])] if recalibrated else []),
            "chosen" if row["model"] == found.chosen and row in found.ways else "",
        ]
        for row in (*_alone(found), *found.ways)
    ]
    title = f"{what} on {count:,} selection images, which choose; NFR and PFR are against {found.old}"
    show_table(title, columns, table)
    say(found.said)
    if found.reported:
        title = f"on {found.reported[0]['n']:,} reporting images, which chose nothing"
        rows = [
            [row["model"], *(percent(row.get(key), row.get(f"{key}_interval")) for key in _RATES), _points(row)]
            for row in found.reported
        ]
        show_table(title, ["", "accuracy", "NFR", "PFR", "gain in points"], rows)
    say(*(f"Note: {note}" for note in found.notes), f"Written: {found.path}")


def _alone(found: Averaged) -> list[Mapping[str, Any]]:
    """Return rows of models alone: all where they are few, else the best and the last."""
    if len(found.alone) <= _ROWS:
        return list(found.alone)
    return [row for row in found.alone if row["model"] == found.best or row is found.alone[-1]]


def _points(row: Mapping[str, Any]) -> str:
    if row.get("accuracy_gain") is None:
        return "-"
    low, high = row["accuracy_gain_interval"]
    return f"{100 * row['accuracy_gain']:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def _next(found: Averaged, config: AverageConfig) -> str:
    old = found.old if found.old in (*config.addresses, *config.old) else ""
    if not old:
        return next_report(found.path)
    kept = RunFolder(found.path)
    run = TrainConfig(data=config.data, old=(old,), inputs=config.inputs, classes=config.classes, device=config.device)
    return next_compare(kept.path, run)
