"""Evidence for co-training: digits in two halves, and CIFAR-10 through two encoders that were trained without labels.

    python docs/evidence/cotrain.py --data DIR --out runs/evidence_cotrain --seeds 0 1 2 3 4

``DIR`` holds ``train.parquet`` and ``test.parquet`` of CIFAR-10. The digits' views are the left and the right half of
each image; those of CIFAR-10 (10,000 images to train, of which labels are drawn, 1,000 to choose by and 10,000 to
report) are the vectors of two networks that ``examples/views_without_labels.py`` trained at 16 pixels on 30,000 images
of the training split: a convnet on rotations and a ResNet-8 by SimCLR. ``gaussians`` are four classes seen by two
Gaussian views of 18 numbers, the second alike, weaker, noise alone or a copy. A seed draws the labels, the heads and
the order; the two networks are the same for all. Every algorithm has the settings of ``train cotrain``, but for 10
epochs, of CIFAR-10 4; two more trainings of Meta Co-Training have no feedback, and feedback about other samples.
``--sets`` takes some of the data and keeps what the file says of the others. Writes ``cotrain.json`` and the tables of
``cotrain.md``.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import distill
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from modelheir.analysis.arms import over_seeds
from modelheir.assemble.embedding.embedding import view_name

HERE = Path(__file__).parent
EXAMPLE = HERE.parent.parent / "examples" / "views_without_labels.py"
ALGORITHMS = ("supervised", "concatenated", "logistic", "svm", "label_spreading", "pseudo_label", "consistency")
ALGORITHMS += ("cotrain", "mct", "mpl")
FEW = ("supervised", "concatenated", "label_spreading", "pseudo_label", "cotrain", "mct")  #: of the Gaussians
FEEDBACK = {
    "mct, no feedback": ["--method.mct.feedback.form", "none"],
    "mct, shuffled feedback": ["--method.mct.feedback.shuffled", "true"],
}
#: data -> (labels, its settings, most seeds)
DATA = {
    "digits": (("1 per class", "5 per class", "10 per class"), ["--data", "digits"], 99),
    "cifar10": (("1 %", "10 %"), [], 3),
    **{f"gaussians, {second}": (("2 per class",), [], 99) for second in ("alike", "weaker", "noise", "copy")},
}
BASE = "concatenated"
#: second view -> standard deviations of it between the classes' means; the first has 3
APART = {"alike": 3.0, "weaker": 1.5, "noise": 0.0, "copy": 3.0}


def gaussians(second: str, out: Path) -> list[str]:
    """Write images whose halves are draws of two Gaussian views of one class; return the settings of a training.

    Four classes; 18 grey pixels a half, of standard deviation 20; the means lie on the corners of a regular simplex.
    """
    place, rng = out / "images" / second, np.random.default_rng(0)
    for split, count in (("train", 4200), ("test", 4000)):
        labels = np.arange(count) % 4
        halves = []
        for apart in (3.0, APART[second]):
            means = np.zeros((4, 18))
            means[np.arange(4), np.arange(4)] = apart / np.sqrt(2)
            halves.append(means[labels] + rng.standard_normal((count, 18)))
        if second == "copy":
            halves[1] = halves[0]
        pixels = np.concatenate([half.reshape(count, 6, 3) for half in halves], 2)
        images = np.clip(np.round(110 + 20 * pixels), 0, 255).astype(np.uint8)
        rows = {"image": [{"bytes": _png(one), "path": None} for one in images], "label": labels}
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(rows), place / f"{split}.parquet")
    views = ["--views", "pixels:left", "pixels:right", "--method.head.kind", "linear"]
    return ["--data", f"parquet:{place}", "--inputs.image_size", "6", "--inputs.val_fraction", "0.0476", *views]


def _png(pixels: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def embed(data: Path, out: Path) -> list[str]:
    """Compute the views of CIFAR-10, once, and return the settings of a training on them."""
    whole = ["--data", f"parquet:{data}", "--image_size", "16", "--val_fraction", "0.02", "--images", "30000"]
    words = [str(EXAMPLE), *whole, "--epochs", "20", "--out", str(out / "encoders")]
    _start([sys.executable, *words], out / "encoders.txt")
    images = ["--data", f"parquet:{data}", "--inputs.val_fraction", "0.02", "--inputs.image_size", "16"]
    images += ["--inputs.train_per_class", "1000"]
    encoders = [f"file:{out / 'encoders' / name}.safetensors" for name in ("rotation", "simclr")]
    named = [word for one in encoders for word in ("--encoder", one)]
    _run(["embed", *images, *named, "--out", str(out / "views")], out / "embed.txt")
    return [*images, "--views", *(str(out / "views" / view_name(one)) for one in encoders)]


def trainings(data: Path, out: Path, seeds: list[int], sets: list[str]) -> Iterator[tuple[dict, Path]]:
    """Train what is missing; give of each run what it is and its folder."""
    for name in sets:
        settings = embed(data, out) if name == "cifar10" else DATA[name][1]
        if name.startswith("gaussians"):
            settings = gaussians(name.partition(", ")[2], out)
        for seed in seeds[: DATA[name][2]]:
            for labels in DATA[name][0]:
                own = ["--labels", labels, "--seed", str(seed), "--method.seeds", "1"]
                own += ["--fit.epochs", "4" if name == "cifar10" else "10"]
                arms = {"all": ["--algorithm", *(FEW if name.startswith("gaussians") else ALGORITHMS)]}
                arms |= {arm: ["--algorithm", "mct", *words] for arm, words in FEEDBACK.items()}
                for arm, words in arms.items():
                    words_of = [name, labels, f"seed{seed}", arm]
                    place = out.joinpath(*(one.replace(", ", "_").replace(" ", "_") for one in words_of))
                    _run(["train", "cotrain", *settings, *own, *words, "--out", str(place)], place.with_suffix(".txt"))
                    yield {"data": name, "labels": labels, "seed": seed, "run": arm}, place


def _run(words: list[str], log: Path) -> None:
    """Run a command of modelheir once, with one thread."""
    code = "import torch; torch.set_num_threads(1); from modelheir.cli import main; import sys; sys.exit(main())"
    _start([sys.executable, "-c", code, *words], log)


def _start(command: list[str], log: Path) -> None:
    if log.is_file():
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    log.write_text(done.stdout, encoding="utf-8")


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
                if not len(found):
                    continue
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
    target = HERE / "cotrain.json"
    if target.is_file():
        held = json.loads(target.read_text())["records"]
        result["records"] = [one for one in held if one["data"] not in args.sets] + result["records"]
    target.write_text(json.dumps(result, indent=1) + "\n")
    page = HERE / "cotrain.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n{markdown(result)}\n", encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
