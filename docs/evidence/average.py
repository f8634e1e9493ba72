"""What averaging weights gains on digits: along a training that was cut short, and over fine-tunes of one start.

    OMP_NUM_THREADS=1 python docs/evidence/average.py --out runs/evidence_average --seeds 10 11 12 13 14 15 16 17

A seed decides the splits, the weights and the order. *Cut*: a quarter of the training images, ``convnet``, SGD at one
high rate that never falls, 24 epochs, a snapshot after each of the last 16; the old model is the last. *Fine-tunes*:
from one start of two epochs, five runs of four epochs with orders of their own; the old model is the best of them by
the selection images. Every row is one ``modelheir.average`` into a folder of its own: the command by itself shows the
reporting images to the way that it chose alone. Writes ``average.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import modelheir
from modelheir.assemble import Averaged

HERE = Path(__file__).parent
CUT = {"epochs": 24, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "schedule": "constant", "batch_size": 32}
SNAPSHOTS = {"every_epochs": 1, "start_epoch": 9}
TUNED = {"epochs": 4, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "schedule": "constant", "batch_size": 32}
MEMBERS = 5
#: name of a row -> its settings; ``auto`` is what the command does by itself
ALONG = {
    "auto": {},
    "uniform": {"by": ["uniform"]},
    "uniform, not recalibrated": {"by": ["uniform"], "recalibrate": False},
    "swa": {"by": ["swa"]},
    "lawa:6": {"by": ["lawa:6"]},
    "ema:0.9": {"by": ["ema:0.9"]},
    "greedy": {"by": ["greedy"]},
}
BESIDE = {key: ALONG[key] for key in ("auto", "uniform", "uniform, not recalibrated", "greedy")}


def train(out: Path, seed: int, fit: dict[str, Any], *, start: str = "", order: int = 0) -> str:
    """Train, or read what is trained already, and return its address."""
    place = modelheir.train(
        "finetune",
        data="digits",
        model="" if start else "convnet",
        out=str(out),
        seed=seed,
        data_seed=1000 * order + seed,
        device="cpu",
        quiet=True,
        inputs={"split_seed": seed, "train_fraction": 0.25},
        fit=fit,
        **({"method": {"start": start}} if start else {}),
    )
    return f"run:{place}"


def row_of(found: Averaged) -> dict[str, Any]:
    """Return what is kept of one average: on the reporting images, beside the old model."""
    old, new = found.reported[0], found.reported[-1]
    (chosen,) = [row for row in found.ways if row["model"] == found.chosen]
    return {
        "chosen": found.chosen,
        "models": len(chosen["members"]),
        "old": old["accuracy"],
        "accuracy": new["accuracy"],
        "nfr": new["nfr"],
        "pfr": new["pfr"],
    }


def along(out: Path, seed: int) -> dict[str, Any]:
    """Average the snapshots of a training that was cut."""
    run = train(out / "cut", seed, {**CUT, "snapshots": SNAPSHOTS})
    settings = {"snapshots": run, "device": "cpu", "quiet": True}
    return {
        name: row_of(modelheir.average(out=out / f"cut_{number}", **settings, **given))
        for number, (name, given) in enumerate(ALONG.items())
    }


def beside(out: Path, seed: int) -> dict[str, Any]:
    """Average fine-tunes of one start; ``another`` is what the others do in the place of the best."""
    start = train(out / "start", seed, {**TUNED, "epochs": 2})
    runs = [train(out / f"tuned_{k}", seed, TUNED, start=start, order=k + 1) for k in range(MEMBERS)]
    rows, best = {}, ""
    for number, (name, given) in enumerate(BESIDE.items()):
        found = modelheir.average(runs, out=out / f"soup_{number}", device="cpu", quiet=True, **given)
        rows[name], best = row_of(found), found.best
    others = [modelheir.compare(best.removeprefix("run:"), run.removeprefix("run:")) for run in runs if run != best]
    rates = {key: sum(one[key] for one in others) / len(others) for key in ("accuracy_new", "nfr", "pfr")}
    old = rows["auto"]["old"]
    return {
        **rows,
        "another": {"old": old, "accuracy": rates["accuracy_new"], "nfr": rates["nfr"], "pfr": rates["pfr"]},
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the seeds and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/evidence_average"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10, 18)))
    parser.add_argument("--json", type=Path, default=HERE / "average.json")
    given = parser.parse_args(argv)
    seeds = [
        {"seed": seed, "cut": along(given.out / str(seed), seed), "tuned": beside(given.out / str(seed), seed)}
        for seed in given.seeds
    ]
    given.json.write_text(json.dumps({"data": "digits", "seeds": seeds}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
