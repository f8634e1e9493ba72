"""Evidence for the update methods: error against negative flips on CIFAR-10 (JPEG), every method a front.

    python docs/evidence/upgrade.py --data DIR --out runs/evidence --seeds 0 1 2 --workers 2

``DIR`` holds CIFAR-10 as ``train*.parquet`` and ``test*.parquet``. Sized for two CPU cores: images are shrunk to 16
pixels, networks are small, epochs few. Runs that are finished are not trained again; ``upgrade.json`` and
``upgrade.svg`` are written beside this file, the table is printed. Test images never choose anything: settings were
fixed before, and interpolation chooses its blend on the selection split.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelheir.types import Predictions

HERE = Path(__file__).parent
SMALL, LARGE = {"width": 16, "blocks": 3}, {"width": 24, "blocks": 4}
MEMBERS = 8
BASE = {
    "model": "convnet",
    "device": "cpu",
    "inputs.val_fraction": 0.05,
    "inputs.train_fraction": 0.15,
    "inputs.augment": "crop_flip",
    "fit.epochs": 6,
    "fit.batch_size": 64,
    "fit.optimizer": "sgd",
    "fit.lr": 0.1,
    "fit.weight_decay": 5e-4,
    "fit.schedule": "cosine",
    "fit.evaluate_every": 6,
    "fit.save_every_epochs": 0,
}
HALF = {"inputs.train_fraction": 0.075}
WEIGHTS = {
    "naive": (1.0, 3.0),
    "KD": (0.3, 1.0, 3.0),
    "FD-KL": (0.3, 1.0, 3.0),
    "FD-LM": (0.3, 1.0, 3.0),
    "LDI": (0.3, 1.0, 3.0),
    "CNA": (0.3, 1.0, 3.0),
    "BCT": (1.0,),
    "interpolation": (0.0, 0.01),
}


def shrink(data: Path, out: Path, size: int = 16) -> Path:
    """Write the images at ``size`` pixels, losslessly, in the layout they came in; return the folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    folder = out / f"cifar10_{size}px"
    for source in sorted(data.glob("*.parquet")):
        target = folder / source.name
        if target.is_file():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        table = pq.read_table(source)
        cells = []
        for cell in table["img"].to_pylist():
            picture, text = Image.open(io.BytesIO(cell["bytes"])), io.BytesIO()
            picture.resize((size, size), Image.Resampling.BOX).save(text, "png")
            cells.append({"bytes": text.getvalue(), "path": cell["path"]})
        place = table.schema.get_field_index("img")
        pq.write_table(table.set_column(place, table.schema.field("img"), pa.array(cells, table["img"].type)), target)
    return folder


def arm(name: str, weight: float) -> tuple[str, dict]:
    """Return the method and its settings of one point of one front."""
    focal = {"method.pull.filter": "old_correct", "method.pull.base": 1.0, "method.pull.focus": 5.0}
    plain = {"method.pull.filter": "all_pass"}
    strength = {"method.pull.weight": weight}
    if name == "naive":
        only = {"method.pull.filter": "old_correct", "method.pull.base": 0.0, "method.pull.focus": 1.0}
        return "upgrade", {**only, **strength, "method.pull.normalize": False, "method.distance.loss": "new_error"}
    if name == "BCT":
        return "bct", {"method.weight": weight}
    if name == "interpolation":
        return "interpolate", {"method.tolerance": weight, "fit.lr": 0.03}
    loss = {"KD": "kl_distillation", "FD-KL": "kl_distillation", "FD-LM": "logit_matching"}.get(name)
    if name == "KD":
        return "upgrade", {
            **plain,
            **strength,
            "method.distance.loss": loss,
            "method.distance.kl_distillation.temperature": 4.0,
        }
    if name == "LDI":
        return "upgrade", {**plain, **strength, "method.distance.loss": "logit_difference"}
    if name == "CNA":
        return "upgrade", {**plain, **strength, "method.distance.loss": "neighbourhood_alignment"}
    return "upgrade", {**focal, **strength, "method.distance.loss": loss}


TITLES = {
    "i": "(i) same data, twice",
    "long": "(i), trained 4 times as long",
    "ii": "(ii) half the data, then all",
    "iii": "(iii) small net, then larger",
}


class Runner:
    """Trains the runs of one seed, each once."""

    def __init__(self, data: Path, out: Path, seed: int) -> None:
        import modelheir.data

        # hundreds of runs read the same files: decode them once a process
        modelheir.data.open_splits = functools.lru_cache(maxsize=4)(modelheir.data.open_splits)
        self.data, self.out, self.seed = data, out / f"seed{seed}", seed

    def __call__(
        self, name: str, method: str = "finetune", settings: dict | None = None, old: list | None = None
    ) -> str:
        """Train one run and return its folder; the old side and the new side have seeds of their own."""
        import modelheir

        seed = {"old": 1000, "new": 2000}.get(name.split(" ")[0], 2000) + self.seed
        given = {**BASE, "network.kwargs": SMALL, **(settings or {}), "data": f"parquet:{self.data}"}
        given.setdefault("seed", seed)
        folder = self.out / name.replace(" ", "_").replace("/", "-")
        return str(modelheir.train(method, out=str(folder), old=[f"run:{o}" for o in old or []], quiet=True, **given))

    def members(self, name: str, settings: dict, count: int = MEMBERS) -> list[str]:
        """Train an ensemble of plain models that differ by their seeds."""
        base = {"old": 100_000, "new": 200_000}[name.split(" ")[0]] + 1000 * self.seed
        return [self(f"{name} member {k}", "finetune", {**settings, "seed": base + k}) for k in range(count)]


def elodi(run: Runner, name: str, members: list[str], settings: dict, *, old: str | None = None, **method) -> str:
    """Distil a student from trained members, by the published distance where ``method`` names no other."""
    own = {"method.ensemble": [f"run:{m}" for m in members], "method.distance.loss": "logit_difference"}
    own |= {f"method.{key}": value for key, value in method.items()}
    return run(name, "elodi", {**settings, **own}, [old] if old else None)


def train_seed(data: Path, out: Path, seed: int) -> None:
    """Train everything for one seed and write the pairs (old, new) of every arm and setting."""
    import torch

    torch.set_num_threads(1)
    run = Runner(data, out, seed)

    def keep() -> None:
        (run.out / "pairs.json").write_text(json.dumps({"pairs": pairs}))

    pairs: dict[str, dict[str, tuple[list[str], list[str]]]] = {"i": {}, "ii": {}, "iii": {}}
    plain, members = run("new plain"), run.members("new", {})
    students = {a: elodi(run, f"new student {a}", members, {}, **{"pull.mix_alpha": a}) for a in (0.5, 0.8)}
    for setting, own in (("i", {}), ("ii", HALF)):
        found = pairs[setting]
        old = run(f"old {setting}", settings=own)
        found["none"] = ([old], [plain])
        for name, weights in WEIGHTS.items():
            for weight in weights:
                method, given = arm(name, weight)
                found[f"{name} {weight:g}"] = ([old], [run(f"new {setting} {name} {weight:g}", method, given, [old])])
        earlier = run.members(f"old {setting}", own)
        before = elodi(run, f"old {setting} student", earlier, own, **{"pull.mix_alpha": 0.8})
        for a, student in students.items():
            found[f"ELODI new side {a:g}"] = ([old], [student])
            found[f"ELODI both sides {a:g}"] = ([before], [student])
        for weight in (0.5, 1.0, 2.0):  # not in the papers: the student also follows the old model where it was right
            name = f"new {setting} ELODI + focal {weight:g}"
            joint = {"pull.mix_alpha": 0.5, "old_pull.weight": weight, "old_distance.loss": "kl_distillation"}
            found[f"ELODI + focal {weight:g}"] = ([old], [elodi(run, name, members, {}, old=old, **joint)])
        found[f"ensembles {MEMBERS}"] = (earlier, members)
        keep()
    large, old = {"network.kwargs": LARGE}, run("old i")
    pairs["iii"]["none"] = ([old], [run("new large plain", settings=large)])
    for name, weights in (("FD-KL", (0.3, 1.0)), ("FD-LM", (0.3,)), ("LDI", (1.0,))):
        for weight in weights:
            method, given = arm(name, weight)
            trained = run(f"new iii {name} {weight:g}", method, {**given, **large}, [old])
            pairs["iii"][f"{name} {weight:g}"] = ([old], [trained])
    keep()


def train_long(data: Path, out: Path, seed: int) -> None:
    """Train setting (i) four times as long, with fewer arms: how much of the effect depends on being trained?"""
    import torch

    torch.set_num_threads(1)
    run, own = Runner(data, out / "long", seed), {"fit.epochs": 24, "fit.evaluate_every": 24}
    old = run("old long", settings=own)
    found = {"none": ([old], [run("new long plain", settings=own)])}
    for name, weights in (("FD-KL", (0.3, 1.0)), ("FD-LM", (0.1, 0.3)), ("KD", (1.0,)), ("LDI", (1.0,))):
        for weight in weights:
            method, given = arm(name, weight)
            found[f"{name} {weight:g}"] = ([old], [run(f"new long {name} {weight:g}", method, {**given, **own}, [old])])
    (run.out / "pairs.json").write_text(json.dumps({"pairs": {"long": found}}))


def said(folders: list[str]) -> Predictions:
    """Read what a run, or an ensemble of runs, said of the test images."""
    import modelheir
    from modelheir.runs import read_predictions
    from modelheir.runs.folder import RunFolder

    files = [RunFolder(folder).predictions("test") for folder in folders]
    return read_predictions(files[0]) if len(files) == 1 else modelheir.ensemble(files).predictions


def tabulate(out: Path, seeds: list[int]) -> dict:
    """Measure every pair on the test images and tabulate over the seeds that are finished."""
    from modelheir.analysis.arms import arm_rows

    done = {s: json.loads(p.read_text()) for s in seeds if (p := out / f"seed{s}" / "pairs.json").is_file()}
    for seed, found in done.items():
        longer = out / "long" / f"seed{seed}" / "pairs.json"
        more = json.loads(longer.read_text()) if longer.is_file() else {"pairs": {"long": {}}}
        found["pairs"] |= more["pairs"]
    table = {}
    for setting in TITLES:
        arms: dict[str, dict[int, tuple]] = {}
        for seed, found in done.items():
            for name, (old, new) in found["pairs"][setting].items():
                arms.setdefault(name, {})[seed] = (said(old), said(new))
        table[setting] = arm_rows(arms, baseline="none") if arms else []
    for rows in table.values():
        for row in rows:
            row.pop("gate")
    return {"seeds": sorted(done), "settings": table}


def markdown(result: dict, titles: dict[str, str]) -> str:
    """Return the tables, in percent."""

    def cell(row: dict, name: str) -> str:
        low, high = row[f"{name}_interval"] or (np.nan, np.nan)
        return f"{row[name]:.2%} [{low:.2%}, {high:.2%}]"

    lines = []
    for setting, rows in result["settings"].items():
        lines += ["", f"### {titles[setting]}: {len(rows[0]['seeds']) if rows else 0} seeds", ""]
        lines += [
            "| arm | error old | error | NFR | relative NFR | error - none | NFR - none | NFR / none - 1 |",
            "|---|---|---|---|---|---|---|---|",
        ]
        plain = next((row for row in rows if row["name"] == "none"), None)
        for row in rows:
            gaps = [cell(row, f"{m}_difference") if f"{m}_difference" in row else "" for m in ("error", "nfr")]
            lines.append(
                f"| {row['name']} | {row['error_old']:.2%} | {cell(row, 'error')} | {cell(row, 'nfr')} | "
                f"{cell(row, 'relative_nfr')} | {gaps[0]} | {gaps[1]} | {cut(row, plain)} |"
            )
    return "\n".join(lines).replace("%", "")


def cut(row: dict, plain: dict | None) -> str:
    """Return by what share an arm changes NFR, seed by seed against the plain arm, with its interval over seeds."""
    from modelheir.analysis.arms import over_seeds

    if plain is None or row is plain:
        return ""
    pairs = zip(row["seeds"], row["nfr_values"], strict=True)
    known = dict(zip(plain["seeds"], plain["nfr_values"], strict=True))
    mean, interval = over_seeds([nfr / known[seed] - 1 for seed, nfr in pairs if seed in known])
    low, high = interval or (np.nan, np.nan)
    return f"{mean:.0%} [{low:.0%}, {high:.0%}]"


def picture(result: dict, path: Path) -> None:
    """Draw one front a method for each setting, with intervals over seeds."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "modelheir", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 9.5), constrained_layout=True)
    names = sorted({_family(row["name"]) for rows in result["settings"].values() for row in rows})
    colours = dict(zip(names, plt.get_cmap("tab20").colors, strict=False))
    for axis, (setting, rows) in zip(axes.flat, result["settings"].items(), strict=True):
        for family in names:
            own = sorted((row for row in rows if _family(row["name"]) == family), key=lambda row: row["error"])
            if not own:
                continue
            x, y = ([100 * row[m] for row in own] for m in ("error", "nfr"))
            spread = [[100 * (row[m] - row[f"{m}_interval"][0]) for row in own] for m in ("error", "nfr")]
            axis.errorbar(x, y, xerr=spread[0], yerr=spread[1], marker="o", ms=4, lw=1.2, elinewidth=0.5,
                          label=family, color=colours[family])  # fmt: skip
        axis.set(title=TITLES[setting], xlabel="error, %", ylabel="negative flip rate, %", ylim=(0, None))
        axis.grid(alpha=0.2)
    handles = {h.get_label(): h for axis in axes.flat for h in axis.get_legend_handles_labels()[0]}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=7, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def _family(name: str) -> str:
    word, _, last = name.rpartition(" ")
    return word if last.replace(".", "").isdigit() and not name.startswith("ensembles") else name


def read_arguments(about: str | None, out: Path, workers: int) -> argparse.Namespace:
    """Read the command line of an experiment."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with CIFAR-10 as Parquet")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=workers, help="processes, each one seed at a time")
    parser.add_argument("--only-seed", type=int, help="train this seed and stop")
    parser.add_argument("--table", action="store_true", help="tabulate what is finished, train nothing")
    return parser.parse_args()


def run_seeds(script: str, args: argparse.Namespace) -> None:
    """Run ``script`` once for each seed, ``args.workers`` at a time."""
    waiting = [] if args.table else list(args.seeds)
    running: list[subprocess.Popen] = []
    while waiting or running:
        while waiting and len(running) < args.workers:
            command = [sys.executable, script, "--data", str(args.data), "--out", str(args.out)]
            running.append(subprocess.Popen([*command, "--only-seed", str(waiting.pop(0))]))
        running = [process for process in running if process.poll() is None]
        time.sleep(1)


def write_tables(result: dict, titles: dict[str, str], name: str) -> None:
    """Write the raw values and the tables of ``name`` beside this file, and print the tables."""
    (HERE / f"{name}.json").write_text(json.dumps(result, indent=1, default=float) + "\n")
    page = HERE / f"{name}.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n{markdown(result, titles)}\n", encoding="utf-8")
    print(markdown(result, titles))


def main() -> None:
    """Train what is missing, then tabulate and draw."""
    args = read_arguments(__doc__, Path("runs/evidence"), workers=2)
    data = shrink(args.data, args.out)
    if args.only_seed is not None:
        train_seed(data, args.out, args.only_seed)
        train_long(data, args.out, args.only_seed)
        return
    run_seeds(__file__, args)
    result = tabulate(args.out, args.seeds)
    picture(result, HERE / "upgrade.svg")
    write_tables(result, TITLES, "upgrade")


if __name__ == "__main__":
    main()
