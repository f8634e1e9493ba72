"""Blend old and new weights: the blend is chosen on the selection split, the flips are read on the reporting split.

Run with a folder for the results: python examples/interpolate.py runs/example
"""

import json
import sys
from pathlib import Path

import modelheir

COMMON = {"data": "digits", "model": "convnet", "quiet": True}


def main(out: Path) -> None:
    old = modelheir.train(
        "finetune",
        epochs=6,
        out=str(out / "interpolate_v1"),
        **{"inputs.train_fraction": 0.5},
        **COMMON,
    )
    new = modelheir.train(
        "interpolate",
        epochs=2,
        out=str(out / "interpolate_v2"),
        old=f"run:{old}",
        method={"alphas": [0.0, 0.2, 0.4, 0.6, 0.8]},
        **COMMON,
    )
    chosen = json.loads((new / "stages" / "01_blend" / "result.json").read_text())["describe"]
    for score in chosen["scores"]:
        mark = "<- chosen" if score["alpha"] == chosen["alpha"] else ""
        print(f"old share {score['alpha']:.1f}: accuracy {score['accuracy']:.1%}, NFR {score['nfr']:.1%} {mark}")
    found = modelheir.compare(old, new)
    print(f"on the test split: error {1 - found['accuracy_new']:.1%}, NFR {found['nfr']:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
