"""Evidence for `train adapt`: every strategy on CIFAR-10 (JPEG) that is turned, then made noisy, then renamed.

    python docs/evidence/seq_to_final.py --data DIR --out runs/evidence_seq --seeds 0 1 2

``DIR`` holds CIFAR-10 as ``train.parquet`` and ``test.parquet``. The sequence is the benchmark's RCL, rotation,
corruption, label flip, at a quarter of its sizes (1,500; 1,000, 1,500, 1,000, a fifth of each for selection; 5,000 test
images; the oracle has 5,000 of the newest), the network its ConvNet of one block, at 16 pixels, six epochs in batches
of 32: so many images and epochs as two CPU cores train in an hour. ``fixed`` is what the paper describes; ``compat``
what its program does: levels of 0 to 255, no augmentation, base images that older steps share, and group DRO by the
worst step alone. Cells are those of ``modelheir bench run``; what is finished is kept. Test images choose nothing.

Writes ``seq-to-final.json`` and the table of ``seq-to-final.md`` beside this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import distill
import upgrade

HERE = Path(__file__).parent
SHIFTS, SIZES, TEST, ORACLE = "rotation:corruption:label_flip", (1500, 1000, 1500, 1000), 5000, 5000
LEFT = "search_fine_tune"  #: as many trainings as the network's layers have subsets
MODES = {
    "fixed": {},
    "compat": {
        "inputs": {"augment": "none"},
        "network": {"mean": [0.0, 0.0, 0.0], "std": [1 / 255] * 3},
        "method": {"domains": {"dro": "worst"}},
    },
}
BASE = {
    "model": "blocks_convnet",
    "device": "cpu",
    "inputs": {"image_size": 16},
    "network": {"kwargs": {"blocks": 1}},
    "fit": {"epochs": 6, "batch_size": 32, "threads": 1},
    "method": {"rates": [1.0, 0.1], "pulls": [0.01], "joint": {"adjacent_weights": [0.1], "side_layer_sizes": "block"}},
}


def suite(data: Path, mode: str, seeds: list[int]) -> dict:
    """Return the suite of a mode."""
    from modelheir.methods.adapt.strategies import STRATEGIES

    settings = {key: value for key, value in BASE.items() if key != "model"}
    for group, own in MODES[mode].items():
        settings[group] = {**settings[group], **own}
    method = {**settings.pop("method"), "strategies": [name for name in STRATEGIES if name != LEFT]}
    drawn = {"data": f"parquet:{data}", "shifts": SHIFTS, "test_size": TEST, "mode": mode}
    return {
        "settings": settings,
        "sequences": {
            "RCL": {"sequence": {**drawn, "sizes": list(SIZES)}, "method": method},
            "RCL_oracle": {
                "sequence": {**drawn, "sizes": [*SIZES[:-1], ORACLE]},
                "method": {"strategies": ["erm_final"]},
            },
        },
        "architectures": {"Conv-1": {"model": BASE["model"]}},
        "seeds": seeds,
    }


def train(data: Path, out: Path, seeds: list[int], workers: int) -> None:
    """Train the cells of both modes that are not finished."""
    import yaml

    out.mkdir(parents=True, exist_ok=True)
    for mode in MODES:
        file = out / f"{mode}.yaml"
        file.write_text(yaml.safe_dump(suite(data, mode, seeds), sort_keys=False))
        command = [sys.executable, "-m", "modelheir.cli", "bench", "run", "seq-to-final", "--suite", str(file)]
        subprocess.run([*command, "--out", str(out / mode), "--workers", str(workers)], check=True)


def measure(out: Path, seeds: list[int]) -> dict:
    """Return a record a mode, strategy and seed."""
    records = []
    for mode in MODES:
        for sequence in ("RCL", "RCL_oracle"):
            for seed in seeds:
                records += cell(out / mode / "cells" / sequence / "Conv-1" / f"seed{seed}", mode, sequence, seed)
    return {"seeds": seeds, "records": records, **distill.versions()}


def cell(run: Path, mode: str, sequence: str, seed: int) -> list[dict]:
    """Return the records of a cell: every strategy, what it chose, and the seconds of its stages."""
    file = run / "result.json"
    if not file.is_file():
        return []
    cost, chain = stages(run)
    found = []
    for key, row in json.loads(file.read_text()).items():
        if not key.startswith("strategy/"):
            continue
        name = key.removeprefix("strategy/")
        needed, waiting = set[str](), list(row["stages"])
        while waiting:
            one = waiting.pop()
            if one not in needed:
                needed.add(one)
                waiting += chain[one]
        found.append({
            "mode": mode, "sequence": "RCL", "family": "convnet", "blocks": 1, "seed": seed,
            "method": "oracle" if sequence == "RCL_oracle" else name,
            "accuracy": row["value"], "n": row["count"], "selection": row["selection"],
            "seconds": round(sum(cost[one] for one in needed), 1), "setting": row["settings"][0],
        })  # fmt: skip
    return found


def stages(run: Path) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Return the seconds of every stage, from the end of the one before, and the stages that it goes on from."""
    places = sorted((run / "stages").iterdir())
    ends = [(place / "result.json").stat().st_mtime for place in places]
    begun = [(run / "config.yaml").stat().st_mtime, *ends]
    names = [place.name.partition("_")[2] for place in places]
    described = [json.loads((place / "result.json").read_text())["describe"] for place in places]
    before = [one.get("from", one.get("of", [])) for one in described]
    cost = {name: end - start for name, start, end in zip(names, begun, ends, strict=False)}
    return cost, {name: [one] if isinstance(one, str) else list(one) for name, one in zip(names, before, strict=True)}


def over(result: dict, mode: str, method: str, than: str = "") -> str:
    """Return the mean accuracy over seeds in percent with its interval, or the paired difference from another's."""
    records = [
        {"seed": one["seed"], "arm": one["method"], "accuracy": one["accuracy"]}
        for one in result["records"]
        if one["mode"] == mode
    ]
    return distill.over({"records": records}, method, than or None)


def markdown(result: dict) -> str:
    """Return a table a mode, in the order of accuracy."""
    lines = []
    for mode in MODES:
        rows = [one for one in result["records"] if one["mode"] == mode]
        if not rows:
            continue
        right: dict[str, list[float]] = {}
        for one in rows:
            right.setdefault(one["method"], []).append(one["accuracy"])
        lines += ["", f"### {mode}", "", "| method | accuracy, % | minus erm_fine_tune | seconds | chosen |"]
        lines.append("|---|---|---|---|---|")
        for name in sorted(right, key=lambda one: -sum(right[one]) / len(right[one])):
            own = [one for one in rows if one["method"] == name]
            gap = over(result, mode, name, "erm_fine_tune") if name != "erm_fine_tune" else ""
            chosen = "; ".join(", ".join(f"{key} {value}" for key, value in one["setting"].items()) for one in own)
            cost = sum(one["seconds"] for one in own) / len(own)
            lines.append(f"| {name} | {over(result, mode, name)} | {gap} | {cost:.0f} | {chosen.strip('; ')} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, then tabulate."""
    args = upgrade.read_arguments(__doc__, Path("runs/evidence_seq"), workers=1)
    if not args.table:
        train(args.data.absolute(), args.out, args.seeds, args.workers)
    result = measure(args.out, args.seeds)
    (HERE / "seq-to-final.json").write_text(json.dumps(result, indent=1) + "\n")
    page = HERE / "seq-to-final.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n{markdown(result)}\n", encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
