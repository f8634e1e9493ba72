"""Evaluate many models on one split; each is run once and its predictions are kept in a cache folder."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from modelheir import assemble
from modelheir.address import LIBRARIES, parse_address
from modelheir.assemble.run_settings import own_data, run_settings
from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.classes import BY_NAME, RULES
from modelheir.cli.predict import does_not_know
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.config.inputs import InputConfig
from modelheir.config.run import check_device
from modelheir.engine.progress import make_progress
from modelheir.extras import need_train
from modelheir.runs.files import write_json
from modelheir.runs.outputs import check_outputs
from modelheir.screen import percent, say, show_table

__all__ = ["EvaluateConfig", "expand", "main"]


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Settings of ``evaluate``."""

    data: str = ""  #: where images come from; empty is the first run's own where a MODEL is a run
    split: Annotated[str, OneOf("train", "val", "test")] = "test"
    classes: Annotated[str, OneOf(*RULES)] = BY_NAME  #: how each model's classes are matched with the data's
    old: str = ""  #: the model in production; adds the columns NFR and PFR
    cache: str = "runs/cache"  #: folder of the kept predictions, one Parquet file a model
    json: str = ""  #: file for the rows, as JSON
    features: bool = False  #: keep the features beside the logits
    ten_crop: bool = False  #: average the logits of ten crops
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    batch_size: Annotated[int, AtLeast(1)] = 256  #: images a forward pass
    quiet: bool = False  #: show no progress
    inputs: InputConfig = dataclasses.field(default_factory=InputConfig)  #: how images are read; each run as it did

    def __post_init__(self) -> None:
        check_device(self.device)


SPEC = Spec(
    command="evaluate",
    about=(
        "Evaluate models on one split. MODEL is a run folder, run:DIR, file:PATH, tv:NAME, timm:NAME or pkg:NAME;\n"
        "a pattern such as 'tv:resnet*' or 'tv:*' takes every pretrained model of that name."
    ),
    configs={"": EvaluateConfig},
    words="MODEL ...",
    epilog=(
        "A run brings its own input settings, and the first one the data; flags change them for all.\n"
        "Run again, models already in the cache are not run again. NFR: fraction right before and wrong now."
    ),
)


def expand(models: Sequence[str]) -> list[str]:
    """Replace patterns of library names by the names they match; each model once, in order.

    Raises:
        InputError: If a pattern matches no model that has pretrained weights.
    """
    found: dict[str, None] = {}
    for model in models:
        address = parse_address(model)
        if address.kind not in LIBRARIES or not set("*?[") & set(address.place):
            found[model] = None
            continue
        names = fnmatch.filter(_pretrained(address.kind), address.place)
        if not names:
            raise InputError(f"{model!r} matches no model with pretrained weights.")
        found |= {f"{address.kind}:{name}": None for name in names}
    return list(found)


def _pretrained(kind: str) -> list[str]:
    if kind == "timm":
        import timm

        return timm.list_models(pretrained=True)
    if kind == "pkg":
        from modelheir.models.files.packaged import PACKAGED

        return list(PACKAGED)
    from torchvision import models

    return models.list_models(module=models)


def main(argv: list[str]) -> int:
    """Evaluate and print the table; a model that fails is listed, and makes the exit code 2."""
    said = parse(SPEC, argv)
    need_train("running a model")
    models = expand(said.words)
    config = said.configs[""]
    every = [*models, *filter(None, [config.old])]
    runs = {model: run_settings(model) for model in every}
    data = config.data or own_data(every)
    check_outputs([Path(config.json)] if config.json else [], [])

    def inputs_of(model: str) -> InputConfig:
        defaults = {"inputs": runs[model].get("inputs", {})}
        return parse(dataclasses.replace(SPEC, defaults=defaults), argv).configs[""].inputs

    rows: list[dict[str, Any]] = []
    with make_progress(quiet=config.quiet) as progress:
        current = ""

        def advance(model: str, count: int) -> None:
            nonlocal current
            if model != current:
                progress.stage(model, 0)
                current = model
            progress.advance(count)

        def one(model: str, old: str | None) -> list[dict[str, Any]]:
            return assemble.evaluate(
                [model],
                data,
                cache=config.cache,
                split=config.split,
                classes=config.classes,
                inputs={name: inputs_of(name) for name in (model, old) if name},
                device=config.device,
                batch_size=config.batch_size,
                old=old,
                ten_crop=config.ten_crop,
                features=config.features,
                advance=advance,
            )

        before: list[dict[str, Any]] = []
        if config.old:
            try:
                before = one(config.old, None)
            except InputError as error:
                raise InputError(f"--old {config.old}: {error}") from error
        for model in models:
            try:
                rows += one(model, config.old or None)
            except InputError as error:
                if len(models) == 1:
                    raise
                rows.append({"model": model, "failed": str(error)})
    _show(rows, bool(config.old), f"{config.split} of {data}")
    for row in {row["model"]: row for row in [*before, *rows]}.values():
        if row.get("unknown"):
            say(does_not_know(row["model"], row["unknown"]))
    if config.json:
        write_json(Path(config.json), rows)
    return 2 if any("failed" in row for row in rows) else 0


def _show(rows: Sequence[dict[str, Any]], flips: bool, where: str) -> None:
    done = [row for row in rows if "failed" not in row]
    names = {"accuracy": "accuracy", "top5": "top 5", **({"nfr": "NFR", "pfr": "PFR"} if flips else {})}
    if flips:
        names["accuracy_gain"] = "accuracy gain"
    rates = [[percent(row.get(name), row.get(f"{name}_interval")) for name in names] for row in done]
    table = [[row["model"], f"{row['n']:,}", *of, row["file"]] for row, of in zip(done, rates, strict=True)]
    columns = ["model", "images", *names.values(), "predictions "]
    if table:
        show_table(f"on {where}, 95% intervals", columns, table)
    for row in rows:
        if "failed" in row:
            say(f"failed: {row['model']}: {row['failed']}", error=True)
