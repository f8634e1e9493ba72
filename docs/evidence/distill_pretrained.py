"""Evidence for a pretrained teacher: ImageNet weights, 48 labels a class of CIFAR-10 (JPEG), a small student, a pool.

    python docs/evidence/distill_pretrained.py --data DIR --out runs/evidence_pretrained --seeds 0 1 2 --workers 2

``DIR`` holds CIFAR-10 as ``train*.parquet`` and ``test*.parquet``. Sized for two CPU cores: networks with ImageNet
weights (``pkg:``) enlarge the pictures to 96 pixels and train their last stage and classifier alone. Every seed draws
its labelled images and its pool anew; the test images are the first 1,000 of the file for all. Runs that are finished
are not trained again; ``distill_pretrained.json`` and the table of ``distill_pretrained.md`` are written beside this
file. Test images choose nothing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import distill
import upgrade

HERE = Path(__file__).parent
LABELS, POOL, TEST = 60, 3_520, 1_000  #: labels a class, a fifth of which is for selection; images of the pool, of test
EPOCHS, LABELLED_EPOCHS = 12, 100  #: 125 steps an epoch over all images, 15 over the labelled ones
VIEWS, LABELLED_VIEWS = 2, 8  #: crops of each image that the teacher is asked about
BASE = {
    "device": "cpu",
    "inputs.image_size": 32,
    "inputs.val_fraction": 0.2,
    "inputs.augment": "crop_flip",
    "fit.batch_size": 32,
    "fit.threads": 1,
    "fit.evaluate_every": 1000,
}
SMALL = {"model": "convnet", "network.kwargs": {"width": 16, "blocks": 4}}
#: at 0.0001, the default beside trained weights, a new classifier hardly moves in so few steps
TRAINED = {"network.pretrained": True, "network.resolution": 96, "trainable": "stage:-2,head", "fit.lr": 0.001}
LARGE = {"model": "pkg:efficientnet_lite2", **TRAINED, "fit.epochs": 8}
LITE0 = {"model": "pkg:efficientnet_lite0", **TRAINED}
ARMS = {
    "teacher": "the teacher: lite2, 120 steps on the labels",
    "A": "small student, labels alone",
    "B": "small student, the teacher on the labelled images, no pool",
    "C": "small student, the teacher on the labelled images and the pool",
    "D": "lite0 from its own weights, labels alone",
    "E": "lite0 from its own weights, the teacher on the labelled images and the pool",
}


def draw(data: Path, place: Path, seed: int) -> dict[str, Path]:
    """Write a seed's labelled images, its pool and the test images; return the folder and the pool's file."""
    import numpy as np
    import pyarrow.parquet as pq

    folder, pool = place / "data", place / "pool.parquet"
    if not pool.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        table = pq.read_table(data / "train.parquet")
        labels = table["label"].to_numpy()
        order = np.random.default_rng(seed).permutation(len(table))
        known = np.concatenate([order[labels[order] == one][:LABELS] for one in np.unique(labels)])
        rest = order[~np.isin(order, known)][:POOL]
        pq.write_table(table.take(np.sort(known)), folder / "train.parquet")
        pq.write_table(pq.read_table(data / "test.parquet").slice(0, TEST), folder / "test.parquet")
        pq.write_table(table.take(np.sort(rest)), pool)  # last: it says that all are there
    return {"data": folder, "pool": pool}


class Runner:
    """Trains the runs of one seed, each once, and notes the seconds of the processor."""

    def __init__(self, data: Path, out: Path, seed: int) -> None:
        import modelheir.data

        # every run reads the same files: decode them once a process
        modelheir.data.open_splits = functools.lru_cache(maxsize=4)(modelheir.data.open_splits)
        self.out, self.seed = out / f"seed{seed}", seed
        places = draw(data, self.out, seed)
        self.data, self.pool = (f"parquet:{places[name]}" for name in ("data", "pool"))

    def __call__(self, name: str, method: str, settings: dict) -> Path:
        """Train one run and return its folder."""
        import modelheir

        given = {**BASE, "data": self.data, "seed": self.seed, "quiet": True, **settings}
        with self._noted(name):
            return modelheir.train(method, out=str(self.out / name), **given)

    def cache(self, name: str, teacher: Path, views: int, **settings: str) -> str:
        """Store what a teacher says of ``views`` crops of each training image; return its address."""
        import modelheir

        own = {key: value for key, value in BASE.items() if key.startswith("inputs.")}
        given = {**own, "inputs.augment_seed": self.seed, "views": views, "dtype": "float32", **settings}
        with self._noted(name):
            modelheir.cache(f"run:{teacher}", out=self.out / name, data=self.data, quiet=True, **given)
        return f"cache:{self.out / name}"

    @contextlib.contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        began, note = time.process_time(), self.out / f"{name}_seconds.txt"
        yield
        if not note.is_file():
            note.write_text(f"{time.process_time() - began:.1f}\n")


def train_seed(data: Path, out: Path, seed: int) -> None:
    """Train every arm for one seed; what is finished is kept."""
    import torch

    torch.set_num_threads(1)
    run = Runner(data, out, seed)
    run("A", "finetune", {**SMALL, "fit.epochs": LABELLED_EPOCHS})
    teacher = run("teacher", "finetune", {**LARGE, "seed": 1000 + seed})
    taught = {"method.target.epochs": 0}  # as many steps as without a pool
    pool = {"unlabelled": run.pool}
    every = run.cache("cache_pool", teacher, VIEWS, **pool)
    run("C", "distill", {**SMALL, **taught, **pool, "teacher": every, "fit.epochs": EPOCHS})
    known = run.cache("cache_labelled", teacher, LABELLED_VIEWS)
    run("B", "distill", {**SMALL, **taught, "teacher": known, "fit.epochs": LABELLED_EPOCHS})
    run("D", "finetune", {**LITE0, "fit.epochs": 8})
    run("E", "distill", {**LITE0, **taught, **pool, "teacher": every, "fit.epochs": 1})


def measure(out: Path, seeds: list[int]) -> dict:
    """Return accuracies on the test images, and the seconds of the processor that each took."""
    from modelheir.runs import read_predictions
    from modelheir.runs.folder import RunFolder

    records = []
    for seed in seeds:
        for name in (*ARMS, "cache_pool", "cache_labelled"):
            place = out / f"seed{seed}" / name
            note = place.with_name(f"{name}_seconds.txt")
            if not note.is_file():
                continue
            record = {"seed": seed, "arm": name, "seconds": float(note.read_text())}
            if name in ARMS:
                found = read_predictions(RunFolder(place).predictions("test"))
                record |= {"n": len(found), "accuracy": float((found.prediction == found.label).mean())}
            records.append(record)
    return {"seeds": seeds, "records": records, **distill.versions()}


def markdown(result: dict) -> str:
    """Return the table of the arms."""
    lines = ["| arm | what | accuracy, % | minus A | minus D | seconds |", "|---|---|---|---|---|---|"]
    for arm, about in ARMS.items():
        if not (mean := distill.over(result, arm)):
            continue
        cost = [row["seconds"] for row in result["records"] if row["arm"] == arm]
        gaps = [distill.over(result, arm, than) if arm != than else "" for than in ("A", "D")]
        lines.append(f"| {arm} | {about} | {mean} | {gaps[0]} | {gaps[1]} | {sum(cost) / len(cost):.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, a process a seed, then tabulate."""
    args = upgrade.read_arguments(__doc__, Path("runs/evidence_pretrained"), workers=2)
    if args.only_seed is not None:
        train_seed(args.data, args.out, args.only_seed)
        return
    upgrade.run_seeds(__file__, args)
    result = measure(args.out, args.seeds)
    (HERE / "distill_pretrained.json").write_text(json.dumps(result, indent=1) + "\n")
    page = HERE / "distill_pretrained.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n\n{markdown(result)}\n", encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
