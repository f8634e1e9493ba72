"""Two generations of ELODI: each release is distilled from an ensemble of its own, so that releases agree.

Run with a folder for the results: python examples/elodi.py runs/example
"""

import sys
from pathlib import Path

import modelheir

COMMON = {"data": "digits", "model": "convnet", "quiet": True, "epochs": 4}


def main(out: Path) -> None:
    first = modelheir.train(
        "elodi", out=str(out / "elodi_v1"), method={"members": 2}, **COMMON, **{"inputs.train_fraction": 0.5}
    )
    second = modelheir.train("elodi", out=str(out / "elodi_v2"), seed=1, method={"members": 2}, **COMMON)
    found = modelheir.compare(first, second)
    print(f"error {1 - found['accuracy_new']:.1%}, NFR {found['nfr']:.1%}, churn {found['churn']:.1%}")

    # the members stay on disk: their ensemble is the bound that the student aims at
    members = sorted((second / "stages").glob("*_member_*/predictions/test.parquet"))
    together = modelheir.ensemble(members, by="logits").predictions
    print(f"ensemble of {len(members)}: error {1 - (together.prediction == together.label).mean():.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
