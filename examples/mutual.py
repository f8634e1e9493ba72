"""Mutual learning: a small network alone, and the same network beside a peer that learns with it.

Run with a folder for the results: python examples/mutual.py runs/example
"""

import sys
from pathlib import Path

import modelheir

COMMON = {"data": "digits", "model": "resnet8", "quiet": True, "epochs": 10, "inputs": {"train_per_class": 30}}


def main(out: Path) -> None:
    alone = modelheir.train("finetune", out=str(out / "alone"), **COMMON)
    beside = modelheir.train("mutual", out=str(out / "beside"), method={"peers": ["convnet"]}, **COMMON)
    found = modelheir.compare(alone, beside)
    for words, share in (("alone", found["accuracy_old"]), ("with a peer", found["accuracy_new"])):
        print(f"{words}: error {1 - share:.1%}")
    print("ten epochs of one seed show that it runs, not that it is better")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
