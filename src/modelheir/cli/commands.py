"""The table of commands, by what a person wants: one module each, imported when it is chosen."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "TABLE", "Command"]


class Command(NamedTuple):
    """A row of the table."""

    module: str  #: holds ``main(argv) -> int``
    summary: str
    example: str
    memory: str = "close other programs, or give it fewer rows or smaller files"  #: what to do where memory runs out


_FORWARD = "lower --batch_size, or make images smaller (--inputs.image_size)"

TABLE: dict[str, dict[str, Command]] = {
    "Look around": {
        "demo": Command("modelheir.cli.demo", "train, update and judge on real digits, in minutes", "modelheir demo"),
        "methods": Command("modelheir.cli.methods", "which method for which situation", "modelheir methods"),
        "explain": Command(
            "modelheir.cli.explain", "one method: paper, settings, limits, files", "modelheir explain upgrade"
        ),
    },
    "Train the next version": {
        "train": Command(
            "modelheir.cli.train",
            "train by a method; run again, it resumes",
            "modelheir train upgrade --data folder:photos --old run:runs/v1 --out runs/v2",
            "lower the batch size (--fit.batch_size), raise --fit.accumulate, or make images smaller "
            "(--inputs.image_size)",
        ),
        "average": Command(
            "modelheir.cli.averaging.average",
            "one model of several fine-tunes, or of the snapshots along one training",
            "modelheir average run:runs/a run:runs/b run:runs/c --out runs/average",
            _FORWARD,
        ),
        "search": Command(
            "modelheir.cli.searching.search",
            "try settings of a method; the selection split decides",
            "modelheir search finetune --data folder:photos --search.fit.lr 0.001 0.003 0.01 --trials 6",
            "lower the batch size (--fit.batch_size), or make images smaller (--inputs.image_size)",
        ),
    },
    "Compare ways to use a past": {
        "bench": Command(
            "modelheir.cli.benching.bench",
            "run a benchmark cell by cell, and make its tables",
            "modelheir bench run seq-to-final --suite quick --out runs/bench",
            "lower the batch size or the networks in the suite's file",
        ),
        "plot": Command(
            "modelheir.cli.benching.plot",
            "pictures of what strategies do to a network",
            "modelheir plot interpolation runs/bench",
        ),
    },
    "Teach with large models": {
        "select": Command(
            "modelheir.cli.select",
            "the best of a pool of unlabelled images, without copies of what you evaluate on",
            "modelheir select --pool folder:pool --data folder:photos --teacher run:runs/v1 --out selected",
            _FORWARD,
        ),
        "cache": Command(
            "modelheir.cli.cache",
            "keep what teachers say of the training images",
            "modelheir cache write --teacher run:runs/large --data folder:photos --out teachers",
            _FORWARD,
        ),
    },
    "Learn from few labels": {
        "embed": Command(
            "modelheir.cli.embedding.embed",
            "keep what frozen encoders say of every image",
            "modelheir embed --data folder:photos --encoder encoder:dinov2 encoder:clip --out views",
            _FORWARD,
        ),
    },
    "Decide whether to ship it": {
        "compare": Command(
            "modelheir.cli.compare",
            "new mistakes, gains and the release gate",
            "modelheir compare runs/v1 runs/v2 --max-nfr 0.02 --html report.html",
        ),
        "report": Command(
            "modelheir.cli.report", "many runs on one page", "modelheir report runs/v1 runs/v2 --html runs.html"
        ),
    },
    "Use models": {
        "predict": Command(
            "modelheir.cli.predict",
            "run a model over a split",
            "modelheir predict run:runs/v2 --data folder:photos --out v2.parquet",
            _FORWARD,
        ),
        "evaluate": Command(
            "modelheir.cli.evaluate",
            "many models on one split, each run once",
            "modelheir evaluate runs/v1 runs/v2 --data folder:photos --old runs/v1",
            _FORWARD,
        ),
        "ensemble": Command(
            "modelheir.cli.averaging.ensemble",
            "average stored predictions",
            "modelheir ensemble both.parquet v1.parquet v2.parquet",
        ),
        "export": Command(
            "modelheir.cli.export",
            "write ONNX and safetensors, checked against the model",
            "modelheir export runs/v2 --to onnx,safetensors",
        ),
        "copy": Command(
            "modelheir.cli.copy",
            "fetch or publish a run folder or file (s3://, gs://, paths)",
            "modelheir copy s3://bucket/v1 runs/v1",
        ),
        "import": Command(
            "modelheir.cli.import_results",
            "read .result and .pth.tar files of older tools",
            "modelheir import old.result --out old.parquet",
        ),
    },
}

COMMANDS: dict[str, Command] = {name: command for group in TABLE.values() for name, command in group.items()}
