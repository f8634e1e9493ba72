"""Scoring images a second, and top-k over 10,000,000 scored rows: time, and memory against a full sort of the rows.

``python benchmarks/selection.py [--rows N] [--classes C] [--k K] [--images N] [--size S]`` prints one line of JSON. The
rows are streamed from a Parquet file that is made first, in a folder that is removed at the end. Memory is the peak of
what is held above the start (Arrow's own pool counts), in a process of its own; the rate of scoring is that of
`modelheir select` (decoding, marks and a forward pass) against the same forward pass over pixels that are decoded.
"""

# ruff: noqa: E402 (thread pools are set before anything imports them)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import dataclasses
import io
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from modelheir.selection.shards import Scored, read_scored, write_scored
from modelheir.selection.top_k import TopK

PART = 1_000_000


def make(folder: Path, rows: int, classes: int) -> list[Path]:
    """Write scored rows in parts of a million."""
    rng, files = np.random.default_rng(0), []
    for start in range(0, rows, PART):
        count = min(PART, rows - start)
        ids = pa.array(np.char.add("pool/image_", np.arange(start, start + count).astype(str)), pa.string())
        number = rng.integers(0, classes, (count, 1), dtype=np.int32)
        files.append(folder / f"part-{len(files) + 1}.parquet")
        write_scored(files[-1], Scored(ids, number, rng.random((count, 1), dtype=np.float32)), {})
    return files


def stream(files: list[Path], classes: int, k: int) -> pa.Table:
    best = TopK(classes, k)
    for part in read_scored(files):
        best.add(part.sample_id, part.classes, part.probabilities)
    return best.rows()


def sort(files: list[Path], classes: int, k: int) -> pa.Table:
    """Hold all rows and sort them: what the stream is measured against."""
    parts = list(read_scored(files))
    ids = pa.chunked_array([part.sample_id for part in parts])
    number = np.concatenate([part.classes[:, 0] for part in parts])
    chance = np.concatenate([part.probabilities[:, 0] for part in parts])
    table = pa.table({"sample_id": ids, "class": number, "probability": chance})
    table = table.sort_by([("class", "ascending"), ("probability", "descending"), ("sample_id", "ascending")])
    number = table["class"].to_numpy()
    place = np.arange(len(number)) - np.searchsorted(number, np.arange(classes))[number]
    return table.filter(pa.array(place < k))


def measured(way: str, files: list[Path], classes: int, k: int) -> tuple[float, float, int]:
    """Return seconds, megabytes added to the peak, and rows, of one way, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (way, files, classes, k))


def _measure(way: str, files: list[Path], classes: int, k: int) -> tuple[float, float, int]:
    pq.read_schema(files[0])
    before = peak()
    start = time.perf_counter()
    found = {"stream": stream, "sort": sort}[way](files, classes, k)
    seconds = time.perf_counter() - start
    return seconds, peak() - before, len(found)


def peak() -> float:
    """Return the peak of this process in megabytes; what the system counts else would begin with the parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def scoring(images: int, size: int) -> tuple[float, float]:
    """Return images a second of scoring files, and of the forward pass alone over decoded pixels."""
    from modelheir import models
    from modelheir.assemble import SelectConfig
    from modelheir.assemble.prediction import predict_images
    from modelheir.assemble.selecting.scoring import score_images
    from modelheir.config.network import NetworkConfig
    from modelheir.data import open_source
    from modelheir.data.images import BytesPixels
    from modelheir.data.sources.pool import open_pool

    config = SelectConfig(device="auto")
    pool = open_pool(f"synthetic:n={images},classes=10,size={size}", config.inputs)
    cells = []
    for i in range(len(pool)):
        store = io.BytesIO()
        Image.fromarray(pool.image(i)).save(store, "JPEG", quality=90)
        cells.append(store.getvalue())
    coded = dataclasses.replace(
        pool, pixels=BytesPixels(pa.chunked_array([pa.array(cells)]), 50.0), rows=np.arange(len(pool))
    )
    classes = next(iter(open_source("synthetic:n=20,classes=10,size=8", config.inputs).values())).classes
    network = models.build("convnet", classes=classes, image_size=size, config=NetworkConfig())
    to_data = np.arange(len(classes))
    few = pool.subset(np.arange(min(64, len(pool))))
    predict_images(network, few, inputs=config.inputs, device=config.device)
    start = time.perf_counter()
    score_images(network, coded, to_data=to_data, kept=10, config=config)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    predict_images(network, pool, inputs=config.inputs, device=config.device, features=True)
    return len(pool) / whole, len(pool) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--k", type=int, default=1000)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--size", type=int, default=32)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make(Path(folder), given.rows, given.classes)
        few = files[: max(len(files) // 10, 1)]
        seconds, memory, kept = measured("stream", files, given.classes, given.k)
        _, memory_of_few, _ = measured("stream", few, given.classes, given.k)
        sorting, all_memory, wanted = measured("sort", files, given.classes, given.k)
    assert kept == wanted
    rate, forward = scoring(given.images, given.size)
    print(
        json.dumps(
            {
                "rows": given.rows,
                "classes": given.classes,
                "k": given.k,
                "kept": kept,
                "seconds": round(seconds, 2),
                "added_peak_megabytes": round(memory),
                "added_peak_megabytes_of_a_tenth_of_the_files": round(memory_of_few),
                "full_sort_seconds": round(sorting, 2),
                "full_sort_added_peak_megabytes": round(all_memory),
                "memory_ratio": round(memory / max(all_memory, 1e-9), 3),
                "scored_images_per_second": round(rate),
                "forward_images_per_second": round(forward),
                "scoring_ratio": round(forward / rate, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
