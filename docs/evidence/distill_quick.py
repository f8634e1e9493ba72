"""Distillation on digits as its quick settings have it: does the student beat the same network on labels alone?

    OMP_NUM_THREADS=1 python docs/evidence/distill_quick.py --out runs/distill_quick --seeds 0 1 2 3 4

100 labelled digits, the others without labels, a teacher that was trained on all labels. The plain student has the
same first weights, as many steps and the same batches of 32. Every seed splits the digits anew. Writes
``distill_quick.json`` beside this file; the test images choose nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import distill

HERE = Path(__file__).parent
CONFIG = HERE.parents[1] / "configs" / "distill" / "quick.yaml"


def train_seed(out: Path, seed: int) -> dict[str, Path]:
    """Train teacher, student and plain student; return their folders."""
    import modelheir
    from modelheir.config.mapping import read_yaml
    from modelheir.runs.folder import RunFolder

    shared = {"seed": seed, "inputs.split_seed": seed, "quiet": True, "device": "cpu"}
    teacher = modelheir.train("finetune", data="digits", model="resnet8", epochs=10, out=str(out / "teacher"), **shared)
    given = read_yaml(CONFIG)
    given["method"] = {**given["method"], "teacher": [f"run:{teacher}"]}
    student = modelheir.train("distill", out=str(out / "student"), **given, **shared)
    steps = sum(
        json.loads(line)["steps"] for line in RunFolder(student).metrics.read_text(encoding="utf-8").splitlines()
    )
    known = {key: given[key] for key in ("data", "model", "inputs", "network")}
    plain = modelheir.train("finetune", out=str(out / "plain"), epochs=-(-steps // 3), **known, **shared)
    return {"teacher": teacher, "labels alone": plain, "distilled": student}


def main() -> None:
    """Train what is missing, then write and print what the test images say."""
    from modelheir.runs import read_predictions
    from modelheir.runs.folder import RunFolder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/distill_quick"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    records = []
    for seed in args.seeds:
        for arm, folder in train_seed(args.out / f"seed{seed}", seed).items():
            found = read_predictions(RunFolder(folder).predictions("test"))
            accuracy = float((found.prediction == found.label).mean())
            records.append({"seed": seed, "arm": arm, "n": len(found), "accuracy": accuracy})
    result = {"seeds": args.seeds, "records": records, **distill.versions()}
    (HERE / "distill_quick.json").write_text(json.dumps(result, indent=1) + "\n")
    for arm in ("teacher", "labels alone", "distilled"):
        gap = f"; minus labels alone {distill.over(result, arm, 'labels alone')}" if arm == "distilled" else ""
        print(f"{arm}: accuracy {distill.over(result, arm)} %{gap}")


if __name__ == "__main__":
    main()
