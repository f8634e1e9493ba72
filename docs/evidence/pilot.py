"""Evidence for ``--pilot``: what small runs forecast, against what the whole training gained.

    python docs/evidence/pilot.py --out runs/evidence_pilot --cifar DIR         # all combinations that are reported
    python docs/evidence/pilot.py --out runs/evidence_pilot --only digits       # digits alone, minutes on a CPU
    python docs/evidence/pilot.py --out runs/evidence_pilot --choose            # the form, on combinations of its own

``DIR`` holds CIFAR-10 as ``train.parquet`` and ``test.parquet``, of which 10,000 and 4,000 images are drawn. A
combination is data, labels a class and a teacher: good (more images, a larger network), weak (the same, few passes),
own labels (the student's own network and the student's labels, trained for long). Its small runs have up to a share of
the images and two seeds; its outcome is the gain on the reporting split, of three whole pairs with seeds of their own.
How much gains are believed to move (``Held``) was set by hand on five of the combinations of ``--choose`` (20 and 80
labels a class of the digits); none of these is reported. Finished runs are not trained again.
``pilot_forecasts.json`` is written beside this file.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import math
from pathlib import Path
from typing import Any

import distill
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelheir import data, methods
from modelheir.analysis.arms import over_seeds
from modelheir.analysis.forecast import Held
from modelheir.assemble.piloting.pairs import train_pair
from modelheir.assemble.piloting.pilot import forecast_pilot, open_small_runs
from modelheir.assemble.piloting.sizes import ladder
from modelheir.config.run import TrainConfig, from_mapping
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions

HERE = Path(__file__).parent
SEEDS, WHOLE_SEEDS = (0, 1), (10, 11, 12)  #: of the small pairs, and of the whole ones
TEACHERS = ("good", "weak", "own labels")
WORLDS: dict[str, dict[str, Any]] = {
    "digits": {
        "data": "digits",
        "unlabelled": "digits",
        "share": 0.3,
        "settings": {"inputs.test_fraction": 0.4, "inputs.val_fraction": 0.15, "fit.epochs": 20},
        "good": {"fit.epochs": 12},
        "weak": {"fit.epochs": 2},
    },
    "cifar10": {
        "data": "",
        "unlabelled": "",
        "share": 0.3,
        "settings": {"inputs.image_size": 16, "inputs.augment": "crop_flip", "inputs.val_fraction": 0.05}
        | {"fit.epochs": 8, "fit.batch_size": 64},
        "good": {"fit.epochs": 20},
        "weak": {"fit.epochs": 2},
    },
}
STUDENT, LARGE = {"width": 16, "blocks": 3}, {"width": 48, "blocks": 3}
REPORTED = [("digits", labels) for labels in (5, 10, 40)] + [("cifar10", 100)]
CHOOSING = [("digits", 20), ("digits", 80), ("cifar10", 200)]
DRAWN = {"train": 10_000, "test": 4_000}  #: images of CIFAR-10
SLOPES, WANDERS = (0.005, 0.01, 0.02, 0.04), (0.005, 0.01, 0.02, 0.04)


def draw(source: Path, out: Path) -> Path:
    """Write some of the images of CIFAR-10, so that a combination takes minutes."""
    folder = out / "cifar10_drawn"
    for split, count in DRAWN.items():
        if not (folder / f"{split}.parquet").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            table = pq.read_table(source / f"{split}.parquet")
            rows = np.sort(np.random.default_rng(0).permutation(len(table))[:count])
            pq.write_table(table.take(pa.array(rows)), folder / f"{split}.parquet")
    return folder


def shared(world: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of all runs of a world."""
    usual = {"model": "convnet", "device": "cpu", "quiet": True, "fit.threads": 1, "fit.evaluate_every": 1000}
    return {**usual, "data": world["data"], **world["settings"]}


def teacher(world: dict[str, Any], kind: str, labels: int, out: Path) -> Path:
    """Train a teacher and return its run."""
    import modelheir

    own = {"network.kwargs": STUDENT, "inputs.train_per_class": labels, "fit.epochs": 100}
    if kind != "own labels":
        own = {"network.kwargs": LARGE, **world[kind]}
    place = out / (f"teacher_{kind}" if kind != "own labels" else f"teacher_own_labels_{labels}")
    return modelheir.train("finetune", out=str(place), seed=100, **{**shared(world), **own})


def measure(name: str, labels: int, kind: str, out: Path, worlds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Train a combination's small pairs and whole pairs; return what was found."""
    world, place = worlds[name], out / name / f"{labels}_labels_{kind.replace(' ', '_')}"
    taught = teacher(world, kind, labels, out / name)
    own = methods.METHODS["distill"].config(teacher=(f"run:{taught}",), unlabelled=world["unlabelled"])
    given = {**shared(world), "network.kwargs": STUDENT, "inputs.train_per_class": labels, "out": str(place)}
    config = dataclasses.replace(from_mapping(TrainConfig, given), allow_weak_teacher=True)
    runs, _ = open_small_runs(methods.METHODS["distill"], config, own, ["docs/evidence/pilot.py"])
    pairs = [train_pair(runs, size, seed) for seed in SEEDS for size in ladder(runs.whole, world["share"])]
    every = runs.whole.shrunk(1.0)
    gains = []
    for seed in WHOLE_SEEDS:
        train_pair(runs, every, seed)
        right = {arm: accuracy(runs.place(every, seed, arm)) for arm in ("with", "without")}
        gains.append(right["with"] - right["without"])
    return {
        **{"data": name, "labels a class": labels, "teacher": kind, "whole": dataclasses.asdict(runs.whole)},
        "teacher accuracy": accuracy(taught),
        "pairs": [dataclasses.asdict(pair) for pair in pairs],
        "gains": gains,
        "outcome": sum(gains) / len(gains),
        "outcome interval": over_seeds(gains)[1],
        **forecast(pairs, runs.whole, Held()),
    }


def accuracy(run: Path) -> float:
    """Return a run's accuracy on the reporting split."""
    found = read_predictions(RunFolder(run).predictions("test"), columns=())
    return float((found.prediction == found.label).mean())


def forecast(pairs: Any, whole: Any, held: Held) -> dict[str, Any]:
    """Return the forecast as plain values."""
    found = forecast_pilot(pairs, whole, held=held)
    return {"forecast": found.gain, "interval": [found.low, found.high], "spread": found.spread}


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """Return whether the interval covers the outcome and single pairs, and whether the sign is right."""
    low, high = row["interval"]
    decided = low > 0 or high < 0
    return {
        "covers": low <= row["outcome"] <= high,
        "pairs covered": sum(low <= gain <= high for gain in row["gains"]),
        "sign": row["forecast"] * row["outcome"] > 0,
        "decided": decided,
        "decided and right": decided and row["forecast"] * row["outcome"] > 0,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the Markdown table and the sums below it."""
    lines = [
        "| data | labels a class | teacher (accuracy) | forecast | outcome | covers | sign |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = (100 * end for end in row["interval"])
        said = judged(row)
        lines.append(
            f"| {row['data']} | {row['labels a class']} | {row['teacher']} ({row['teacher accuracy']:.1%}) "
            f"| {100 * row['forecast']:+.1f} [{low:+.1f}, {high:+.1f}] | {100 * row['outcome']:+.1f} "
            f"| {'yes' if said['covers'] else 'no'} | {'right' if said['sign'] else 'wrong'} |"
        )
    found = [judged(row) for row in rows]
    decided = [one for one in found if one["decided"]]
    right = sum(one["decided and right"] for one in decided)
    width = 100 * sum(row["interval"][1] - row["interval"][0] for row in rows) / len(rows)
    return [
        *lines,
        "",
        f"{len(rows)} combinations: the interval covers {sum(one['covers'] for one in found)}; the sign of the "
        f"forecast is right in {sum(one['sign'] for one in found)}; {len(decided)} intervals leave out 0, {right} "
        f"of them with the right sign. Mean width {width:.1f} points.",
    ]


def choose(rows: list[dict[str, Any]]) -> list[str]:
    """Return the log score, coverage and width of each form; the score of a pair's gain under a normal forecast."""
    from modelheir.assemble.piloting.pair import Pair
    from modelheir.assemble.piloting.sizes import Whole

    lines = ["| slope | wander | log score | pairs covered | mean width |", "|---|---|---|---|---|"]
    for slope, wander in itertools.product(SLOPES, WANDERS):
        score, covered, count, width = 0.0, 0, 0, 0.0
        for row in rows:
            pairs = [Pair(**{**pair, "counts": tuple(pair["counts"])}) for pair in row["pairs"]]
            found = forecast(pairs, Whole(**row["whole"]), Held(slope=slope, wander=wander))
            spread = math.sqrt(sum(one**2 for one in found["spread"].values()))
            low, high = found["interval"]
            width += (high - low) / len(rows)
            for gain in row["gains"]:
                score -= math.log(spread) + 0.5 * ((gain - found["forecast"]) / spread) ** 2
                covered, count = covered + (low <= gain <= high), count + 1
        lines.append(f"| {slope} | {wander} | {score / count:.3f} | {covered} of {count} | {100 * width:.1f} |")
    return lines


def main() -> None:
    """Train what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cifar", default="", help="folder of CIFAR-10 as Parquet files")
    parser.add_argument("--only", choices=tuple(WORLDS), help="this data alone")
    parser.add_argument("--choose", action="store_true", help="the combinations on which the form is chosen")
    parser.add_argument("--teachers", nargs="+", choices=TEACHERS, default=list(TEACHERS))
    options = parser.parse_args()
    # every run reads the same files: decode them once
    data.open_splits = functools.lru_cache(maxsize=4)(data.open_splits)
    address = f"parquet:{draw(Path(options.cifar), options.out)}" if options.cifar else ""
    worlds = {**WORLDS, "cifar10": {**WORLDS["cifar10"], "data": address, "unlabelled": address}}
    rows = []
    for name, labels in CHOOSING if options.choose else REPORTED:
        if name != (options.only or name) or (name == "cifar10" and not options.cifar):
            continue
        for kind in options.teachers:
            print(f"{name}, {labels} labels a class, teacher {kind}", flush=True)
            rows.append(measure(name, labels, kind, options.out, worlds))
            print("\n".join(table(rows[-1:])[2:3]), flush=True)
    print("\n".join(table(rows)))
    if options.choose:
        print("\n".join(choose(rows)))
    part = "_choosing" if options.choose else ""
    text = json.dumps({"rows": rows, **distill.versions()}, indent=1)
    (HERE / f"pilot_forecasts{part}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
