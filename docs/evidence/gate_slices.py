"""Plant slices that nobody named into real images and see which of them `compare --find-slices` finds.

    python docs/evidence/gate_slices.py --data DIR --out runs/evidence_slices --seeds 0 1 2 3 4 5 --workers 2

DIR holds CIFAR-10 (JPEG) as ``train.parquet`` and ``test.parquet``. The 10,000 test images have features of two kinds:
those of a small network trained for a few minutes (kept in ``--out``, not trained again), and the first axes of their
pixels. A pretended old model is right on 90 % of the images at random; the new model breaks 3 % of what was right,
anywhere, and in the planted group a larger share. A seed is a split into halves, a draw of groups, and a draw of flips.
Writes ``gate_slices.json`` beside this file: a row a planting, and the runs without one.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import json
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from modelheir.analysis.slices import clusters, search
from modelheir.analysis.slices.search import find_slices
from modelheir.types import Predictions

HERE = Path(__file__).parent
KINDS = ("bright", "dark", "green", "smooth", "like one image", "turned")
SHARES = (0.02, 0.05, 0.1)
RATES = (0.1, 0.2, 0.4)
FEATURES = ("network", "pixels")
RIGHT, BASE, CLASSES = 0.9, 0.03, 10
NULLS = 25  #: runs without a planting, a seed and kind of features
TIMES = 3.0  #: a planted group is found where a group found holds its images so many times as often as all images do


def open_images(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the test images, uint8 ``(N, 32, 32, 3)``, and their labels."""
    table = pq.read_table(data / "test.parquet")
    found = [np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in table["img"].to_pylist()]
    return np.stack(found), table["label"].to_numpy()


def prepare(data: Path, out: Path) -> None:
    """Train the small network and keep features of the images, upright and turned by 90 degrees."""
    import modelheir

    run, turned = out / "v1", out / "turned"
    upright = run / "predictions" / "test.parquet"
    if not upright.is_file():
        fit = {"epochs": 4, "save_features": True}
        inputs = {"train_fraction": 0.25}
        modelheir.train("finetune", data=f"parquet:{data}", model="convnet", out=str(run), fit=fit, inputs=inputs)
    if not (out / "turned.parquet").is_file():
        turned.mkdir(parents=True, exist_ok=True)
        table = pq.read_table(data / "test.parquet")
        cells = [{**cell, "bytes": turn(cell["bytes"])} for cell in table["img"].to_pylist()]
        column = pa.array(cells, table.schema.field("img").type)
        pq.write_table(table.set_column(0, "img", column), turned / "test.parquet")
        if not (turned / "train.parquet").exists():
            (turned / "train.parquet").symlink_to((data / "train.parquet").resolve())
        words = ["--data", f"parquet:{turned}", "--split", "test", "--features", "true", "--out"]
        subprocess.run(["modelheir", "predict", str(run), *words, str(out / "turned.parquet")], check=True)
    network = [features_of(path) for path in (upright, out / "turned.parquet")]
    images, _ = open_images(data)
    flat = [one.reshape(len(one), -1).astype(np.float32) / 255 for one in (images, np.rot90(images, axes=(1, 2)))]
    both = clusters.project(np.concatenate(flat), np.arange(2 * len(images)), np.arange(len(images)), most=64)
    np.savez(out / "features.npz", network=network, pixels=np.split(both, 2))


def turn(content: bytes) -> bytes:
    """Turn an encoded picture by 90 degrees."""
    store = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").rotate(90).save(store, "PNG")
    return store.getvalue()


def features_of(path: Path) -> np.ndarray:
    """Return the features of a file of predictions in the order of the data, by the number in the sample id."""
    from modelheir.runs.predictions import read_predictions

    found = read_predictions(path, columns=["features"])
    assert found.features is not None
    numbers = [int("".join(filter(str.isdigit, str(name).rpartition("/")[2]))) for name in found.sample_id]
    return found.features[np.argsort(numbers, kind="stable")]


def traits(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return what makes an image bright, dark, green or smooth: larger is more so."""
    grey = images.mean(axis=3, dtype=np.float32)
    edges = np.abs(np.diff(grey, axis=1)).mean((1, 2)) + np.abs(np.diff(grey, axis=2)).mean((1, 2))
    light = grey.mean((1, 2))
    return {"bright": light, "dark": -light, "green": images[..., 1].mean((1, 2)) - light, "smooth": -edges}


def group(kind: str, share: float, images: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose the planted group, ``(N,)`` bool."""
    count = round(share * len(label))
    if kind == "turned":
        score = rng.random(len(label))
    elif kind == "like one image":  # those of its class that look most like it, as thumbnails
        thumbs = images.reshape(len(images), 8, 4, 8, 4, 3).mean((2, 4), dtype=np.float32).reshape(len(images), -1)
        one = rng.integers(len(label))
        score = -np.where(label == label[one], ((thumbs - thumbs[one]) ** 2).sum(1), np.inf)
    else:  # from the half of the images that has most of it, so that seeds differ
        score = np.where(rng.random(len(label)) < 0.5, traits(images)[kind], -np.inf)
    chosen = np.zeros(len(label), bool)
    chosen[np.argsort(-score, kind="stable")[:count]] = True
    return chosen


def pair(label: np.ndarray, chance: np.ndarray, seed: int, rng: np.random.Generator) -> tuple[Predictions, Predictions]:
    """Pretend an old and a new model; the new one breaks each image that was right with its chance."""
    ids = np.array([f"{seed}/{number}" for number in range(len(label))])
    other = (label + rng.integers(1, CLASSES, len(label))) % CLASSES
    old = np.where(rng.random(len(label)) < RIGHT, label, other)
    new = np.where((old == label) & (rng.random(len(label)) < chance), other, old)
    return Predictions(ids, label, old), Predictions(ids, label, new)


def remember(function):
    """Keep what a function made of arrays, so that the same clusters are not computed for every planting."""
    kept: dict = {}

    def call(points, *rest, **named):
        key = (hash(points.tobytes()), *(one.tobytes() if hasattr(one, "tobytes") else one for one in rest))
        if key not in kept:
            if len(kept) > 64:
                kept.clear()
            kept[key] = function(points, *rest, **named)
        return kept[key].copy()

    return call


def one_seed(seed: int, data: Path, out: Path) -> dict:
    """Plant every group at every rate, and nothing."""
    images, label = open_images(data)
    search.k_means = remember(clusters.k_means)
    plantings, nulls = [], []
    for name, features in np.load(out / "features.npz").items():
        for number in range(NULLS):
            rng = np.random.default_rng([seed, number, 1])
            old, new = pair(label, np.full(len(label), BASE), seed, rng)
            found = find_slices(old, new, features=(old.sample_id, features[0]))
            nulls.append({"features": name, "seed": seed, "number": number, "found": len(found.slices)})
        for kind, share in itertools.product(KINDS, SHARES):
            rng = np.random.default_rng([seed, KINDS.index(kind), round(1000 * share)])
            chosen = group(kind, share, images, label, rng)
            values = np.where((chosen & (kind == "turned"))[:, None], features[1], features[0])
            for rate in RATES:
                rng = np.random.default_rng([seed, KINDS.index(kind), round(1000 * share), round(1000 * rate)])
                old, new = pair(label, np.where(chosen, rate, BASE), seed, rng)
                found = find_slices(old, new, features=(old.sample_id, values))
                row = {"features": name, "kind": kind, "share": share, "rate": rate, "seed": seed}
                plantings.append({**row, **judged(found, old.sample_id, chosen, share)})
    return {"plantings": plantings, "nulls": nulls}


def judged(found, ids: np.ndarray, chosen: np.ndarray, share: float) -> dict:
    """Say whether the planted group was found, how purely, and how many groups found hold no more of it than all do."""
    planted = set(ids[chosen].tolist())
    held = [len(planted.intersection(one.sample_id)) / one.n for one in found.slices]
    return {
        "found": bool(held) and max(held) >= TIMES * share,
        "purity": max(held, default=0.0),
        "groups": len(held),
        "false": sum(part <= share for part in held),
    }


def tabulate(plantings: list[dict], nulls: list[dict]) -> dict:
    """Count what was found: by rate and share, by kind, and where nothing was planted."""

    def row(of: list[dict], **head) -> dict:
        groups = sum(one["groups"] for one in of)
        return {
            **head,
            "plantings": len(of),
            "found": sum(one["found"] for one in of),
            "purity_median": float(np.median([one["purity"] for one in of if one["found"]] or [0])),
            "groups": groups,
            "false": sum(one["false"] for one in of),
        }

    def by(*keys: str) -> list[dict]:
        heads = sorted({tuple(one[key] for key in keys) for one in plantings})
        return [
            row([one for one in plantings if tuple(one[k] for k in keys) == head], **dict(zip(keys, head, strict=True)))
            for head in heads
        ]

    null = [
        {
            "features": name,
            "runs": len(of := [one for one in nulls if one["features"] == name]),
            "with_a_group": sum(one["found"] > 0 for one in of),
        }
        for name in FEATURES
    ]
    return {
        "by_rate_and_share": by("features", "rate", "share"),
        "by_kind_and_rate": by("features", "kind", "rate"),
        "nothing_planted": null,
    }


def commit() -> dict:
    """Return the commit of this file's repository and whether its tree has changes."""
    git = functools.partial(subprocess.run, cwd=HERE, capture_output=True, text=True, check=True)
    changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    return {"commit": git(["git", "rev-parse", "HEAD"]).stdout.strip(), "dirty": bool(changed)}


def main() -> None:
    """Prepare features, run the seeds, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/evidence_slices"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(6)))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, default=HERE / "gate_slices.json")
    args = parser.parse_args()
    start, about = time.perf_counter(), commit()
    if not (args.out / "features.npz").is_file():
        prepare(args.data, args.out)
    with ProcessPoolExecutor(args.workers) as pool:
        parts = list(pool.map(functools.partial(one_seed, data=args.data, out=args.out), args.seeds))
    plantings, nulls = ([row for part in parts for row in part[name]] for name in ("plantings", "nulls"))
    found = {
        "data": "CIFAR-10 (JPEG), 10,000 test images",
        "settings": {"right": RIGHT, "base": BASE, "times": TIMES, "seeds": args.seeds},
        **about,
        "versions": {name: version(name) for name in ("modelheir", "numpy", "scipy")},
        "seconds": round(time.perf_counter() - start),
        **tabulate(plantings, nulls),
        "plantings": plantings,
        "nulls": nulls,
    }
    head = json.dumps({k: v for k, v in found.items() if k not in ("plantings", "nulls")}, indent=1)[:-2]
    rows = [
        f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, found[name])) + "\n ]" for name in ("plantings", "nulls")
    ]
    args.json.write_text(head + ",\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    for name, rows in tabulate(plantings, nulls).items():
        print(name, *rows, sep="\n")


if __name__ == "__main__":
    main()
