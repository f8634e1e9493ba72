"""Take a trained network to more data: choose how fast each stage moves, then fine-tune with that.

Run with a folder for the results: python examples/transfer.py runs/example
"""

import sys
from pathlib import Path

import modelheir


def main(out: Path) -> None:
    data = {"data": "digits", "device": "cpu", "quiet": True}
    half = {"inputs.train_fraction": 0.5}
    start = modelheir.train("finetune", model="convnet", epochs=4, out=str(out / "v1"), **half, **data)

    tried = modelheir.multiplier_search(f"run:{start}", out=out / "short", **{"fit.epochs": 2}, **data)
    for one in tried:
        print(f"{one.name:10} {one.accuracy:.1%} of the selection split right with {one.multipliers}")

    best = tried[0]
    run = modelheir.train(
        "finetune",
        epochs=6,
        out=str(out / "v2"),
        **{"method.start": f"run:{start}", "fit.lr_multipliers": best.multipliers},
        **data,
    )
    for name in (start, run):
        found = modelheir.predict(f"run:{name}", "digits", split="test")
        print(f"{name}: {(found.prediction == found.label).mean():.1%} of {len(found)} test images right")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
