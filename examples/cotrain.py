"""Cotrain: digits with five labels a class, seen by their left and their right halves; then one more digit is read.

Run with a folder for the results: python examples/cotrain.py runs/example
"""

import json
import sys
from pathlib import Path

import modelheir


def main(out: Path) -> None:
    found = modelheir.embed(["pixels:left", "pixels:right"], out=out / "views", data="digits", quiet=True)
    method = {
        "views": tuple(str(one.folder) for one in found),
        "labels": "5 per class",
        "algorithms": ("supervised", "cotrain", "mct"),
        "seeds": 1,
        "rounds": {"number": 3},
    }
    run = modelheir.train("cotrain", out=str(out / "few"), data="digits", quiet=True, epochs=4, method=method)
    for name, row in json.loads((run / "result.json").read_text()).items():
        if name.startswith("algorithm/"):
            print(f"{name}: {row['value']:.1%} of the test images")
            if "note" in row:
                print(row["note"])
    said = modelheir.predict(f"run:{run}", data="digits")
    print(f"the run is a classifier of images: {(said.prediction == said.label).mean():.1%} right")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
