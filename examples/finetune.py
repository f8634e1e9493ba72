"""Version 1: train a digit classifier plainly, then predict with it and read where it is unsure.

Run with a folder for the results: python examples/finetune.py runs/example
"""

import sys
from pathlib import Path

import numpy as np

import modelheir


def main(out: Path) -> None:
    run = modelheir.train(
        "finetune",
        data="digits",
        model="convnet",
        epochs=4,
        out=str(out / "v1"),
        quiet=True,
    )
    predictions = modelheir.predict(f"run:{run}", "digits", split="test")
    right = predictions.prediction == predictions.label
    print(f"{run}: {right.mean():.1%} of {len(predictions)} test images right")

    logits = predictions.logits
    gap = np.diff(np.sort(logits, axis=1)[:, -2:], axis=1)[:, 0]
    for row in np.argsort(gap)[:3]:
        print(
            f"least sure: {predictions.sample_id[row]} is a {predictions.label[row]}, "
            f"called {predictions.prediction[row]} by {gap[row]:.2f} logits"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
