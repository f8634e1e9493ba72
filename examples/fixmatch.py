"""FixMatch: ten labels a class alone, and with the images that are in no other split of digits, without their labels.

Run with a folder for the results: python examples/fixmatch.py runs/example
"""

import sys
from pathlib import Path

import modelheir

COMMON = {"data": "digits", "model": "convnet", "quiet": True, "inputs": {"train_per_class": 10}}
METHOD = {"unlabelled": "digits", "ratio": 3}


def main(out: Path) -> None:
    alone = modelheir.train("finetune", out=str(out / "alone"), epochs=24, **COMMON)
    both = modelheir.train("fixmatch", out=str(out / "both"), epochs=6, method=METHOD, **COMMON)
    found = modelheir.compare(alone, both)
    for words, share in (
        ("labels alone", found["accuracy_old"]),
        ("with images without labels", found["accuracy_new"]),
    ):
        print(f"{words}: error {1 - share:.1%}")
    print("a few epochs of one seed show that it runs, not that it is better")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
