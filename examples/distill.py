"""A small student learns from a large teacher, on images with and without labels.

Run with a folder for the results: python examples/distill.py runs/example
"""

import sys
from pathlib import Path

import modelheir

FEW = {"data": "digits", "quiet": True, "inputs.train_per_class": 10}


def main(out: Path) -> None:
    teacher = modelheir.train(
        "finetune", data="digits", model="resnet8", epochs=4, quiet=True, out=str(out / "teacher")
    )
    small = {"model": "convnet", "network.kwargs": {"width": 8}}
    plain = modelheir.train("finetune", out=str(out / "plain"), epochs=20, **FEW, **small)
    student = modelheir.train(
        "distill",
        out=str(out / "student"),
        teacher=f"run:{teacher}",
        unlabelled="digits",  # what is in the data already is left out of it
        method={"losses": ["jeffreys"]},
        epochs=4,
        **FEW,
        **small,
    )
    for name, run in (("labels alone", plain), ("teacher and pool", student)):
        found = modelheir.compare(teacher, run)
        print(f"{name}: accuracy {found['accuracy_new']:.1%}, the teacher's {found['accuracy_old']:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
