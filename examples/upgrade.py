"""Version 2 without new mistakes: focal distillation against plain training, judged by the release gate.

Run with a folder for the results: python examples/upgrade.py runs/example
"""

import sys
from pathlib import Path

import modelheir

COMMON = {"data": "digits", "model": "convnet", "quiet": True}


def main(out: Path) -> None:
    old = modelheir.train("finetune", epochs=6, out=str(out / "upgrade_v1"), **COMMON, **{"inputs.train_fraction": 0.3})
    plain = modelheir.train("finetune", epochs=6, out=str(out / "upgrade_v2_plain"), **COMMON)
    safe = modelheir.train(
        "upgrade",
        epochs=6,
        out=str(out / "upgrade_v2"),
        old=f"run:{old}",
        method={"pull": {"weight": 1.0, "focus": 5.0}, "distance": {"loss": "kl_distillation"}},
        **COMMON,
    )
    for name, new in (("plain", plain), ("focal distillation", safe)):
        found = modelheir.compare(old, new, max_nfr=0.05)
        low, high = found["intervals"]["nfr"]
        print(
            f"{name}: error {1 - found['accuracy_new']:.1%}, NFR {found['nfr']:.1%} [{low:.1%}, {high:.1%}], "
            f"gate: {found['gate']['verdict']}"
        )
        for reason in found["gate"]["reasons"]:
            print(f"  {reason}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
