"""Adapt: digits of many writers, the newest of whom count: what to do with the others.

Run with a folder for the results: python examples/adapt.py runs/example
"""

import json
import sys
from pathlib import Path

import modelheir

STRATEGIES = ("erm_final", "erm_all", "erm_fine_tune")


def main(out: Path) -> None:
    method = {"steps": 5, "seeds": 2, "rates": (1.0,), "strategies": STRATEGIES}
    run = modelheir.train("adapt", out=str(out / "newest"), data="digits", quiet=True, epochs=4, method=method)
    for name, row in json.loads((run / "result.json").read_text()).items():
        if name.startswith("strategy/"):
            print(
                f"{name}: {row['value']:.1%} of the newest test images, {row['selection']:.1%} of the selection images"
            )
            if "note" in row:
                print(row["note"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
