"""Subspace: train on the digits and keep a snapshot an epoch; then average them, and train on in the plane they span.

Run with a folder for the results: python examples/subspace.py runs/example
"""

import json
import sys
from pathlib import Path

import modelheir


def main(out: Path) -> None:
    run = modelheir.train(
        "subspace",
        out=str(out / "last_points"),
        data="digits",
        model="mlp",
        quiet=True,
        epochs=6,
        method={"ways": ("cut", "swa", "ema", "psgd", "pbfgs"), "epochs": 1},
    )
    for name, row in json.loads((run / "result.json").read_text()).items():
        if name.startswith("way/"):
            print(f"{name}: {row['value']:.1%} of the test images after {row['passes']:.2g} more passes")
            if row.get("chosen"):
                print(row["note"].split("\n")[-2])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
