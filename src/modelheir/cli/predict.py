"""Run a model over one split and write its predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from modelheir import assemble
from modelheir.assemble.destination import check_not_data
from modelheir.assemble.run_settings import run_settings
from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.classes import BY_NAME, RULES
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.config.inputs import InputConfig
from modelheir.config.run import check_device
from modelheir.engine.progress import make_progress
from modelheir.extras import need_train
from modelheir.metrics.unknown_classes import unknown_classes
from modelheir.models import files
from modelheir.printable import shorten
from modelheir.runs.outputs import check_outputs
from modelheir.runs.predictions import write_predictions
from modelheir.screen import percent, say, speaks

__all__ = ["PredictConfig", "cannot_decode", "does_not_know", "main"]


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Settings of ``predict``."""

    out: str = ""  #: predictions file to write, ending .parquet or .csv
    data: str = ""  #: where images come from; empty is the run's own where MODEL is a run
    split: Annotated[str, OneOf("auto", "train", "val", "test", "unlabelled")] = (
        "auto"  #: which images; auto is the data's only split, else test
    )
    classes: Annotated[str, OneOf(*RULES)] = BY_NAME  #: how the model's classes are matched with the data's
    features: bool = False  #: keep the features beside the logits
    ten_crop: bool = False  #: average the logits of ten crops
    top_k: Annotated[int, AtLeast(0)] = (
        0  #: likeliest classes of each image that get columns: class_1, probability_1 and so on; 0 adds none
    )
    crops: str = ""  #: with ten_crop: file for the logits of every crop, ending .npz
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    batch_size: Annotated[int, AtLeast(1)] = 256  #: images a forward pass
    precision: Annotated[str, OneOf("fp32", "bf16", "fp16")] = "fp32"
    quiet: bool = False  #: show no progress
    inputs: InputConfig = dataclasses.field(default_factory=InputConfig)  #: how images are read; as a run did

    def __post_init__(self) -> None:
        check_device(self.device)


SPEC = Spec(
    command="predict",
    about="Run MODEL (run:DIR or a run folder, file:PATH, tv:NAME, timm:NAME, pkg:NAME) over a split, each image once.",
    configs={"": PredictConfig},
    words="MODEL",
    epilog="A run brings its own data and input settings; flags change them.",
)


def does_not_know(model: str, classes: Sequence[str]) -> str:
    """Say in one line which classes of the data a model does not know.

    >>> does_not_know("runs/v1", ["ship", "truck"])
    'runs/v1 does not know 2 of the classes (ship, truck): their images count as wrong.'
    """
    some = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    return f"{model} does not know {len(classes)} of the classes ({some}): their images count as wrong."


def cannot_decode(skipped: Sequence[str], rest: int) -> str:
    """Count the images that have no row, beside ``rest`` that have one, and name up to twenty.

    >>> cannot_decode(["a.jpg", "b.jpg"], 198)
    '2 of 200 images cannot be decoded and have no row: a.jpg, b.jpg'
    """
    named = ", ".join(shorten(name) for name in skipped[:20]) + (", ..." if len(skipped) > 20 else "")
    return f"{len(skipped):,} of {len(skipped) + rest:,} images cannot be decoded and have no row: {named}"


def main(argv: list[str]) -> int:
    """Predict, write the file and say what came out."""
    (model,) = parse(SPEC, argv).words
    need_train("running a model")
    config = parse(dataclasses.replace(SPEC, defaults=run_settings(model)), argv).configs[""]
    if not config.out:
        raise InputError("--out FILE is missing: where should the predictions go? For example --out new.parquet.")
    if not config.out.endswith((".parquet", ".csv")):
        raise InputError(
            f"--out {config.out}: predictions are Parquet or CSV, so the name must end in .parquet or .csv."
        )

    outputs = [Path(name) for name in (config.out, config.crops) if name]
    check_outputs(outputs, files.files_of(model))
    for output in outputs:
        check_not_data(output, config.data)
    of = "" if config.split == "auto" else f" {config.split}"
    with make_progress(quiet=config.quiet) as progress:
        progress.stage(f"predict{of}", 0)
        found = assemble.predict(
            model,
            config.data or None,
            split=config.split,
            classes=config.classes,
            inputs=config.inputs,
            device=config.device,
            batch_size=config.batch_size,
            precision=config.precision,
            features=config.features,
            ten_crop=config.ten_crop,
            crops=config.crops or None,
            top_k=config.top_k,
            advance=progress.advance,
        )
    if not speaks():
        return 0
    write_predictions(Path(config.out), assemble.with_names(found))
    known = found.label >= 0
    right = float((found.prediction == found.label)[known].mean()) if known.any() else None
    if found.skipped:
        say(cannot_decode(found.skipped, len(found)))
    if missing := unknown_classes(found.logits, found.classes):
        say(does_not_know(model, missing))
    accuracy = "" if right is None else f" accuracy {percent(right)},"
    say(f"{len(found):,} images{of and f' of{of}'},{accuracy} written to {config.out}")
    return 0
