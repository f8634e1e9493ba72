"""PCA of a trajectory streamed from disk, against scikit-learn's on the same rows: time, memory and span.

``python benchmarks/trajectory_pca.py [--snapshots N] [--components n] [--weights M] [--rounds R]`` writes snapshots
that move along ``n`` planted directions, and a little everywhere, in a folder that is removed at the end. In a process
of its own, over rounds, it takes the median seconds and the highest peak of memory above the start of

- ``streamed``: :func:`modelheir.subspace.pca` of the files, the basis written to disk while it is made;
- ``sklearn``: the files read into an array of float32, row by row, and ``PCA(n, svd_solver="full")`` of it;
- ``double``: once, the same in float64, which tells how far the planes of the other two are off.

All run on as many threads as ``OMP_NUM_THREADS`` says, one by default. It prints one line of JSON; the span error is
the sine of the largest angle to the plane of ``double``.
"""

# ruff: noqa: E402 (thread pools are set before anything imports them)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, os.environ.get("OMP_NUM_THREADS", "1"))

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from modelheir.subspace import Basis, Trajectory, pca

FASTER, SMALLER, CLOSE = 5.0, 0.25, 1e-5


def make(folder: Path, snapshots: int, components: int, weights: int) -> list[Path]:
    """Write snapshots of a network of four layers that move along planted directions, and a little everywhere."""
    rng, files = np.random.default_rng(0), []
    side = max(weights // 4, 1)
    start = rng.standard_normal(4 * side, np.float32) * np.float32(0.05)
    planted = rng.standard_normal((components, 4 * side), np.float32)
    walk = np.linalg.qr(rng.standard_normal((snapshots, components)).cumsum(axis=0))[0]
    walk = (walk * np.geomspace(0.05, 0.01, components)).astype(np.float32)
    for number in range(snapshots):
        files.append(folder / f"step_{number:08d}.safetensors")
        row = start + walk[number] @ planted + np.float32(1e-4) * rng.standard_normal(4 * side, np.float32)
        save_file({f"model/layer_{i}.weight": row[i * side : (i + 1) * side] for i in range(4)}, files[-1])
    return files


def streamed(files: list[Path], components: int, out: Path) -> None:
    """Write the basis to ``out``."""
    pca(Trajectory(files), components, folder=out)


def sklearn(files: list[Path], components: int, out: Path, kind: type = np.float32) -> None:
    """Write the components to ``out``."""
    from sklearn.decomposition import PCA

    first = load_file(files[0])
    names = list(first)
    rows = np.empty((len(files), sum(value.size for value in first.values())), kind)
    del first
    for row, path in zip(rows, files, strict=True):
        state = load_file(path)
        np.concatenate([state[name] for name in names], out=row)
    found = PCA(components, svd_solver="full").fit(rows)
    np.save(out / "components.npy", np.asarray(found.components_))


def double(files: list[Path], components: int, out: Path) -> None:
    """Write the components in float64 to ``out``."""
    sklearn(files, components, out, np.float64)


def measured(way: str, files: list[Path], components: int, out: Path) -> tuple[float, float]:
    """Return seconds, and megabytes added to the peak, of one way, in a process of its own."""
    out.mkdir(exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (way, files, components, out))


def _measure(way: str, files: list[Path], components: int, out: Path) -> tuple[float, float]:
    if way != "streamed":  # what importing takes is counted for neither
        from sklearn.decomposition import PCA

        PCA(1, svd_solver="full").fit(np.eye(4, dtype=np.float32))
    before, start = peak(), time.perf_counter()
    {"streamed": streamed, "sklearn": sklearn, "double": double}[way](files, components, out)
    return time.perf_counter() - start, peak() - before


def peak() -> float:
    """Return the peak of this process in megabytes; what the system counts else would begin with the parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def span_error(one: np.ndarray, two: np.ndarray) -> float:
    """Return the sine of the largest angle between two planes, from products in float64, a block at a time."""
    count, size = len(one), 2**17
    own, other, cross = (np.zeros((count, count)) for _ in range(3))
    for start in range(0, one.shape[1], size):
        a, b = (np.asarray(part[:, start : start + size], np.float64) for part in (one, two))
        own, other, cross = own + a @ a.T, other + b @ b.T, cross + a @ b.T
    outside = own - cross @ np.linalg.solve(other, cross.T)  # what of each direction is not in the other plane
    half = np.linalg.inv(np.linalg.cholesky(own))
    return float(np.sqrt(max(np.linalg.eigvalsh(half @ outside @ half.T)[-1], 0.0)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", type=int, default=60)
    parser.add_argument("--components", type=int, default=32)
    parser.add_argument("--weights", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    took: dict[str, list[tuple[float, float]]] = {"streamed": [], "sklearn": [], "double": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make(folder, given.snapshots, given.components, given.weights)
        for number in range(given.rounds):
            for way in ("streamed", "sklearn", *(["double"] if not number else [])):
                took[way].append(measured(way, files, given.components, folder / way))
        basis = Basis.load(folder / "streamed")
        planes = {way: np.load(folder / way / "components.npy", mmap_mode="r") for way in ("sklearn", "double")}
        planes["streamed"] = basis.components
        errors = {way: span_error(planes[way], planes["double"]) for way in ("streamed", "sklearn")}
        spread = float(basis.singular_values[given.components - 1] / basis.singular_values[0])
    seconds = {way: round(statistics.median(one for one, _ in found), 2) for way, found in took.items()}
    memory = {way: round(max(one for _, one in found)) for way, found in took.items()}
    faster, share = seconds["sklearn"] / seconds["streamed"], memory["streamed"] / max(memory["sklearn"], 1)
    found = {
        "snapshots": given.snapshots,
        "components": given.components,
        "weights": basis.width,
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "last_singular_value_to_first": round(spread, 3),
        "seconds": seconds,
        "added_peak_megabytes": memory,
        "speed_ratio": round(faster, 1),
        "memory_ratio": round(share, 3),
        "span_errors": errors,
        "met": faster >= FASTER and share <= SMALLER and errors["streamed"] <= CLOSE,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
