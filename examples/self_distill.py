"""Self-distillation: two runs that differ by their seed agree more often when each follows its own past logits.

Run with a folder for the results: python examples/self_distill.py runs/example
"""

import sys
from pathlib import Path

import modelheir

COMMON = {"data": "digits", "model": "convnet", "quiet": True, "epochs": 6}


def main(out: Path) -> None:
    for name in ("finetune", "self_distill"):
        method = {"method": {"length": 2, "weight": 1.0}} if name == "self_distill" else {}
        a, b = (
            modelheir.train(name, out=str(out / f"{name}_{seed}"), seed=seed, **COMMON, **method) for seed in (0, 1)
        )
        found = modelheir.compare(a, b)
        print(f"{name}: churn between two seeds {found['churn']:.1%}, error {1 - found['accuracy_new']:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
