"""Time of a comparison of 1,000,000 images with intervals, per class and 20 slices, against the target of 5 seconds.

``python benchmarks/compare.py [--rows N] [--classes C] [--scores]`` prints the time, its ratio to the target, and the
peak memory. One core: thread pools of numerical libraries are held at one. The plain loop of the baseline runs in the
same process on fewer rows and is scaled up: one pass over the rows for every slice value, as a script would do it.
"""

# ruff: noqa: E402 (thread pools are set before anything imports them)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import resource
import time

import numpy as np

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.types import Predictions

TARGET = 5.0  #: seconds


def make(rows: int, classes: int, *, scores: bool, slices: int = 20) -> tuple[Predictions, Predictions]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, classes, rows)
    ids = np.char.add("images/", np.arange(rows).astype(str))
    columns = {
        f"slice_{k}": np.array([f"value {v}" for v in range(k + 2)])[rng.integers(0, k + 2, rows)]
        for k in range(slices)
    }
    made = []
    for error in (0.2, 0.15):
        prediction = np.where(rng.random(rows) < error, rng.integers(0, classes, rows), label)
        logits = None
        if scores:
            logits = rng.normal(size=(rows, classes)).astype(np.float32)
            logits[np.arange(rows), prediction] = 6
        made.append((prediction, logits))
    order = rng.permutation(rows)
    old = Predictions(ids, label, made[0][0], made[0][1], columns=columns)
    new = Predictions(ids[order], label[order], made[1][0][order], None if made[1][1] is None else made[1][1][order])
    return old, new


def loop(old: Predictions, new: Predictions, rows: int) -> float:
    """Return the seconds that a plain Python loop takes over the first ``rows`` images."""
    start = time.process_time()
    said = dict(zip(new.sample_id.tolist(), new.prediction.tolist(), strict=True))
    for column in ("", *old.columns):
        counts: dict[object, list[int]] = {}
        values = old.columns[column][:rows] if column else np.zeros(rows)
        for name, label, prediction, value in zip(
            old.sample_id[:rows], old.label, old.prediction, values, strict=False
        ):
            cell = counts.setdefault(value, [0, 0])
            cell[0] += 1
            cell[1] += prediction == label != said[name]
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--scores", action="store_true", help="with logits (use few classes)")
    given = parser.parse_args()
    old, new = make(given.rows, given.classes, scores=given.scores)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, start = time.perf_counter(), time.process_time()
    result = compare(old, new, slices=list(old.columns), gate=GateConfig(max_nfr=0.2, max_class_nfr=0.3))
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    part = min(given.rows, 20_000)
    baseline = loop(old, new, part) * given.rows / part
    print(
        json.dumps(
            {
                "rows": given.rows,
                "classes": len(result["per_class"]),
                "slice_rows": len(result["slices"]),
                "seconds": round(seconds, 3),
                "wall_seconds": round(wall, 3),
                "target_seconds": TARGET,
                "ratio_to_target": round(seconds / TARGET, 3),
                "plain_loop_seconds": round(baseline, 1),
                "added_peak_megabytes": round((peak - before) / 1024),
            }
        )
    )


if __name__ == "__main__":
    main()
