"""Evidence for co-training: digits in two halves, and CIFAR-10 through two encoders with ImageNet weights.

    python docs/evidence/cotrain.py --data DIR --out runs/evidence_cotrain --seeds 0 1 2 3 4

``DIR`` holds ``train.parquet`` and ``test.parquet`` of CIFAR-10. The digits' views are the left and the right half of
each image; those of CIFAR-10 (10,000 images to train, of which labels are drawn, 1,000 to choose by and 10,000 to
report) are the vectors of EfficientNet-Lite0 and Lite2 at 112 pixels, computed once. A seed draws the labels, the heads
and the order. Every algorithm has the settings of ``train cotrain``, but for 10 epochs; two more trainings of Meta
Co-Training have no feedback, and feedback about other samples. CIFAR-10 has the first three seeds; ``--sets`` takes one
of the two alone. Writes ``cotrain.json`` and the
tables of ``cotrain.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import distill
import numpy as np

from modelheir.analysis.arms import over_seeds

HERE = Path(__file__).parent
ALGORITHMS = ("supervised", "concatenated", "logistic", "svm", "label_spreading", "pseudo_label", "consistency")
ALGORITHMS += ("cotrain", "mct", "mpl")
FEEDBACK = {
    "mct, no feedback": ["--method.mct.feedback.form", "none"],
    "mct, shuffled feedback": ["--method.mct.feedback.shuffled", "true"],
}
#: data -> (labels, its settings, most seeds)
DATA = {
    "digits": (("1 per class", "5 per class", "10 per class"), ["--data", "digits"], 99),
    "cifar10": (("1 %", "10 %"), [], 3),
}
BASE = "concatenated"


def embed(data: Path, out: Path) -> list[str]:
    """Compute the views of CIFAR-10, once, and return the settings of a training on them."""
    images = ["--data", f"parquet:{data}", "--inputs.train_per_class", "1000", "--inputs.val_fraction", "0.02"]
    encoders = ["pkg:efficientnet_lite0", "pkg:efficientnet_lite2"]
    named = [word for one in encoders for word in ("--encoder", one)]
    views = out / "views"
    _run(["embed", *images, *named, "--inputs.image_size", "112", "--out", str(views)], out / "embed.txt")
    return [*images, "--views", *(str(views / one.replace(":", "-")) for one in encoders)]


def trainings(data: Path, out: Path, seeds: list[int], sets: list[str]) -> Iterator[tuple[dict, Path]]:
    """Train what is missing; give of each run what it is and its folder."""
    for name in sets:
        settings = embed(data, out) if name == "cifar10" else DATA[name][1]
        for seed in seeds[: DATA[name][2]]:
            for labels in DATA[name][0]:
                own = ["--labels", labels, "--seed", str(seed), "--method.seeds", "1", "--fit.epochs", "10"]
                arms = {"all": ["--algorithm", *ALGORITHMS]}
                arms |= {arm: ["--algorithm", "mct", *words] for arm, words in FEEDBACK.items()}
                for arm, words in arms.items():
                    place = (
                        out / name / labels.replace(" ", "_") / f"seed{seed}" / arm.replace(", ", "_").replace(" ", "_")
                    )
                    _run(["train", "cotrain", *settings, *own, *words, "--out", str(place)], place.with_suffix(".txt"))
                    yield {"data": name, "labels": labels, "seed": seed, "run": arm}, place


def _run(words: list[str], log: Path) -> None:
    """Run a command once, with one thread."""
    if log.is_file():
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    code = "import torch; torch.set_num_threads(1); from modelheir.cli import main; import sys; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"modelheir {' '.join(words)}\n{done.stdout}\n{done.stderr}")
    log.write_text(f"{time.process_time() - began}\n{done.stdout}", encoding="utf-8")


def measure(data: Path, out: Path, seeds: list[int], sets: list[str]) -> dict:
    """Return what every algorithm came to on the reporting images."""
    records = []
    for what, place in trainings(data, out, seeds, sets):
        for key, row in json.loads((place / "result.json").read_text()).items():
            if key.startswith("algorithm/"):
                arm = key.removeprefix("algorithm/") if what["run"] == "all" else what["run"]
                about = {name: row[name] for name in ("selection", "views") if name in row}
                one = {name: what[name] for name in ("data", "labels", "seed")}
                records.append({**one, "arm": arm, "accuracy": row["value"], "n": row["count"], **about})
    return {"seeds": seeds, "records": records, **distill.versions()}


def values(result: dict, data: str, labels: str, arm: str) -> np.ndarray:
    """Return an arm's accuracies in percent, a seed each."""
    rows = [r for r in result["records"] if (r["data"], r["labels"], r["arm"]) == (data, labels, arm)]
    return 100 * np.array([row["accuracy"] for row in sorted(rows, key=lambda row: row["seed"])])


def said(found: np.ndarray, digits: int = 1) -> str:
    """Write a mean with its interval over seeds."""
    mean, interval = over_seeds(found.tolist())
    low, high = interval
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def markdown(result: dict) -> str:
    """Return a table for each data set and number of labels."""
    lines = []
    for data, (every, _, _) in DATA.items():
        for labels in every:
            base = values(result, data, labels, BASE)
            if not len(base):
                continue
            lines += [
                "",
                f"### {data}, {labels}",
                "",
                f"| algorithm | accuracy, % | minus {BASE} | each view alone, % |",
            ]
            lines += ["|---|---|---|---|"]
            for arm in (*ALGORITHMS, *FEEDBACK):
                found = values(result, data, labels, arm)
                rows = [r for r in result["records"] if (r["data"], r["labels"], r["arm"]) == (data, labels, arm)]
                views = [row["views"] for row in rows if row.get("views")]
                alone = (
                    ", ".join(f"{100 * np.mean([v[name] for v in views]):.1f}" for name in views[0]) if views else ""
                )
                gap = "" if arm == BASE else said(found - base)
                lines.append(f"| {arm} | {said(found)} | {gap} | {alone} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, then tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/cifar10"))
    parser.add_argument("--out", type=Path, default=Path("runs/evidence_cotrain"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--sets", nargs="+", choices=sorted(DATA), default=sorted(DATA))
    args = parser.parse_args()
    result = measure(args.data.resolve(), args.out.resolve(), args.seeds, args.sets)
    (HERE / "cotrain.json").write_text(json.dumps(result, indent=1) + "\n")
    page = HERE / "cotrain.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n{markdown(result)}\n", encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
