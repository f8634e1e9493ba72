"""Evidence for averages of snapshots and training in their plane: CIFAR-10, five seeds, controls at a told cost.

    python docs/evidence/subspace.py --data DIR --out runs/evidence_subspace --seeds 0 1 2 3 4

``DIR`` holds ``train.parquet`` and ``test.parquet`` of CIFAR-10: 3,000 images to train on, 1,000 to choose by and
10,000 to report, at 16 pixels; a ResNet-8. Networks are trained by SGD whose rate falls in a line and is cut off when a
fifth of it is left, after 20 epochs, as the published schedule was (at epoch 70 of 90); then every way has 2 passes, or
none. ``constant`` keeps the rate at 0.05 for as long. ``noise`` has a fifth of the training labels wrong.
``fine-tuning`` continues a finished training at a low rate for 3 epochs with 4 snapshots each, and gives every way one
pass. ``mean`` and ``first`` begin in the plane at the mean and at the first of the snapshots of ``usual``. ``--sets``
takes some of these, and keeps what the file says of the others. Writes ``subspace.json`` and the tables of
``subspace.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import distill
import numpy as np

from modelheir.analysis.arms import over_seeds

HERE = Path(__file__).parent
WAYS = ("cut", "recalibrated", "anneal", "swa", "ema", "lawa", "twa", "psgd", "pbfgs", "random")
PLANE = ("psgd", "pbfgs")
SETS = ("usual", "constant", "noise", "fine-tuning", "mean", "first")
BASE = "cut"


def words(data: Path) -> list[str]:
    """Return the settings of all trainings."""
    found = ["--data", f"parquet:{data}", "--inputs.train_per_class", "300", "--inputs.val_fraction", "0.02"]
    found += ["--inputs.image_size", "16", "--model", "resnet8", "--fit.optimizer", "sgd", "--fit.batch_size", "64"]
    return [*found, "--quiet"]


def trainings(data: Path, out: Path, seeds: list[int], sets: list[str]) -> Iterator[tuple[dict, Path]]:
    """Train what is missing; give of each run what it is and its folder."""
    cut = ["--fit.lr", "0.1", "--fit.schedule", "linear", "--fit.min_lr", "0.02", "--fit.epochs", "20"]
    for seed in seeds:
        own = [*words(data), "--seed", str(seed)]
        whole = ["--ways", *WAYS, "greedy", "full"]
        for name in sets:
            place = out / name / f"seed{seed}"
            if name in ("usual", "constant", "noise"):
                noise = ["--inputs.label_noise", "0.2"] if name == "noise" else []
                rate = ["--fit.lr", "0.05", "--fit.epochs", "20"] if name == "constant" else cut
                ways = whole if name == "usual" else ["--ways", *WAYS]
                _run(["train", "subspace", *own, *rate, *noise, *ways, "--out", str(place)])
            elif name == "fine-tuning":
                base, tuned = out / "base" / f"seed{seed}", out / "tuned" / f"seed{seed}"
                _run(["train", "finetune", *own, "--fit.lr", "0.1", "--fit.epochs", "22", "--out", str(base)])
                slow = ["--fit.lr", "0.005", "--fit.schedule", "constant", "--fit.epochs", "3"]
                slow += ["--fit.snapshots.per_epoch", "4", "--method.start", f"run:{base}"]
                _run(["train", "finetune", *own, *slow, "--out", str(tuned)])
                short = ["--from", f"run:{tuned}", "--fit.lr", "0.005", "--method.epochs", "1"]
                short += ["--method.snapshots", ":", "--ways", *WAYS]
                _run(["train", "subspace", *own, *short, "--out", str(place)])
            else:
                begun = ["--from", f"run:{out / 'usual' / f'seed{seed}'}#collect", "--ways", *PLANE]
                _run(["train", "subspace", *own, *begun, "--method.begin", name, "--out", str(place)])
            yield {"set": name, "seed": seed}, place


def _run(command: list[str]) -> None:
    """Run a command with one thread; what is finished is not trained again."""
    code = "import torch; torch.set_num_threads(1); from modelheir.cli import main; import sys; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"modelheir {' '.join(command)}\n{done.stdout}\n{done.stderr}")


def measure(data: Path, out: Path, seeds: list[int], sets: list[str]) -> dict:
    """Return what every way came to on the reporting images."""
    records = []
    for what, place in trainings(data, out, seeds, sets):
        for key, row in json.loads((place / "result.json").read_text()).items():
            if key.startswith("way/"):
                told = {name: row[name] for name in ("selection", "passes", "accepted") if name in row}
                records.append(
                    {**what, "way": key.removeprefix("way/"), "accuracy": row["value"], "n": row["count"], **told}
                )
    return {"seeds": seeds, "records": records, **distill.versions()}


def rows(result: dict, name: str, way: str) -> list[dict]:
    """Return the records of a way, a seed each."""
    found = [row for row in result["records"] if (row["set"], row["way"]) == (name, way)]
    return sorted(found, key=lambda row: row["seed"])


def values(result: dict, name: str, way: str) -> np.ndarray:
    """Return a way's accuracies in percent, a seed each."""
    return 100 * np.array([row["accuracy"] for row in rows(result, name, way)])


def said(found: np.ndarray, digits: int = 2) -> str:
    """Write a mean with its interval over seeds."""
    mean, (low, high) = over_seeds(found.tolist())
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def markdown(result: dict) -> str:
    """Return a table for each set."""
    lines = []
    for name in SETS:
        held = [way for way in (*WAYS, "greedy", "full") if rows(result, name, way)]
        if not held:
            continue
        whole = "usual" if name in ("mean", "first") else name
        base = values(result, whole, BASE)
        lines += ["", f"### {name}", "", f"| way | accuracy, % | minus {BASE} | passes |", "|---|---|---|---|"]
        for way in held:
            found = values(result, name, way)
            gap = "" if (name, way) == (whole, BASE) else said(found - base)
            passes = np.mean([row["passes"] for row in rows(result, name, way)])
            lines.append(f"| {way} | {said(found)} | {gap} | {passes:.2g} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, then tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/cifar10"))
    parser.add_argument("--out", type=Path, default=Path("runs/evidence_subspace"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    args = parser.parse_args()
    result = measure(args.data.resolve(), args.out.resolve(), args.seeds, args.sets)
    target = HERE / "subspace.json"
    if target.is_file():
        held = json.loads(target.read_text())["records"]
        result["records"] = [one for one in held if one["set"] not in args.sets] + result["records"]
    target.write_text(json.dumps(result, indent=1) + "\n")
    page = HERE / "subspace.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n{markdown(result)}\n", encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
