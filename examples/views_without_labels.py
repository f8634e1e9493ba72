"""Train two encoders on images whose labels are never looked at: views for co-training from your own data alone.

Run with a data set and a folder for the encoders; the same command goes on where it was stopped:
python examples/views_without_labels.py --data folder:photos --epochs 50 --out runs/encoders
One network learns by how much an image was turned (Gidaris et al., 2018, arXiv:1803.07728), the other, of another
architecture, which two views are of one image (SimCLR: Chen et al., 2020, arXiv:2002.05709). Both learn from the
training split alone, so that the selection and test images of a later co-training are new to them.
"""

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from modelheir import losses, models
from modelheir.assemble.embedding.embedding import view_name
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.data import ImageSet, join_sets, make_stream, open_splits, resolve
from modelheir.engine.progress import make_progress
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.models.files import export_safetensors
from modelheir.plans import Stage, Task
from modelheir.runs import RunFolder
from modelheir.runs.trackers import Trackers
from modelheir.types import LossTerms

NETWORKS = {"rotation": ("convnet", NetworkConfig()), "simclr": ("resnet8", NetworkConfig(kwargs={"width": 32}))}


def read_settings() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="as for modelheir train, such as folder:photos")
    parser.add_argument("--images", type=int, default=0, help="so many of the training images; 0 is all")
    parser.add_argument("--image_size", type=int, default=0, help="pixels a side; 0 is the images' own up to 64")
    parser.add_argument("--val_fraction", type=float, default=0.1, help="as --inputs.val_fraction of the training")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("runs/encoders"))
    return parser.parse_args()


def images_without_labels(data: str, inputs: InputConfig, count: int, seed: int) -> ImageSet:
    """Take the training images, and those that never had a label, and forget the labels."""
    splits = open_splits(data, inputs, labelled=False)
    images = join_sets([splits[name] for name in ("train", "unlabelled") if name in splits], name=data)
    images = dataclasses.replace(images, labels=np.full(len(images), -1))
    return images.subset(np.random.default_rng(seed).permutation(len(images))[: count or None])


def turned(images: Tensor) -> tuple[Tensor, Tensor]:
    """Turn every image four ways: ``(4N, 3, S, S)``, and by how many quarters, ``(4N,)``."""
    views = torch.cat([torch.rot90(images, quarters, (2, 3)) for quarters in range(4)])
    return views, torch.arange(4, device=images.device).repeat_interleave(len(images))


def recoloured(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change each image's channels, contrast and saturation by up to 40 %, and make one of five grey.

    Otherwise a network could tell two views of one image by their colours. The paper turns the hue; this scales the
    channels one by one.
    """

    def draw(*shape: int) -> Tensor:
        return torch.rand(len(images), *shape, generator=generator, device=images.device)

    images = images * (0.6 + 0.8 * draw(3, 1, 1))
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = middle + (images - middle) * (0.6 + 0.8 * draw(1, 1, 1))
    grey = images.mean(dim=1, keepdim=True)
    saturation = (0.6 + 0.8 * draw(1, 1, 1)) * (draw(1, 1, 1) > 0.2)
    return (grey + (images - grey) * saturation).clamp(0, 1)


def network(task: str, classes: list[str], images: ImageSet, inputs: InputConfig, seed: int) -> models.Classifier:
    name, config = NETWORKS[task]
    size = resolve(inputs, images).image_size
    return models.build(name, classes=classes, image_size=size, config=config, seed=seed)


def rotation(images: ImageSet, inputs: InputConfig, fit: FitConfig, seed: int, device: torch.device) -> Task:
    """Tell by how many quarters an image was turned; the classifier of the four is the network's own."""
    model = network("rotation", ["0", "90", "180", "270"], images, inputs, seed)
    stream = make_stream(images, config=inputs, batch_size=fit.batch_size, train=True, seed=seed, device=device)

    def objective(batches, step) -> LossTerms:
        views, quarters = turned(batches["images"].inputs)
        logits = model(views).logits
        right = (logits.argmax(dim=1) == quarters).float().mean()
        return LossTerms({"rotation": losses.cross_entropy(logits, quarters).mean()}, {"right": right})

    return Task({"model": model}, {"images": stream}, objective, fit=fit, describe={"model": model.spec})


def simclr(images: ImageSet, inputs: InputConfig, fit: FitConfig, seed: int, device: torch.device) -> Task:
    """Find the other view of an image among all views of a batch, behind a projection that is not kept."""
    inputs = dataclasses.replace(inputs, augment="random_resized_crop", mirror=None)
    model = network("simclr", ["any"], images, inputs, seed)  # its classifier is idle
    width, generator = model.feature_size, torch.Generator().manual_seed(seed)
    hidden = losses.seeded_linear(width, width, generator=generator, relu=True)
    projection = nn.Sequential(hidden, nn.ReLU(), losses.seeded_linear(width, width, generator=generator))
    streams = {  # one order of the images, and crops of their own
        f"view_{number}": make_stream(
            images,
            config=dataclasses.replace(inputs, augment_seed=2 * seed + number),
            batch_size=fit.batch_size,
            train=True,
            seed=seed,
            device=device,
        )
        for number in (0, 1)
    }

    def objective(batches, step) -> LossTerms:
        views = [recoloured(batch.inputs, step.device_generator) for batch in batches.values()]
        projected = projection(model(torch.cat(views)).features)
        image = torch.cat([batch.index for batch in batches.values()])
        # the only other row "of the same class" is the other view of the image: this is NT-Xent, the paper's eq. 1
        values = losses.neighbourhood_alignment(projected, projected, image, temperature=0.5, supervised=True)
        return LossTerms({"nt_xent": values.mean()})

    return Task({"model": model, "projection": projection}, streams, objective, fit=fit, describe={"model": model.spec})


def main(settings: argparse.Namespace) -> None:
    out, seed, runtime = settings.out, settings.seed, Runtime(settings.device)
    accept(out / "settings.json", {key: value for key, value in vars(settings).items() if key not in ("device", "out")})
    inputs = InputConfig(image_size=settings.image_size, val_fraction=settings.val_fraction)
    images = images_without_labels(settings.data, inputs, settings.images, seed)
    fit = FitConfig(epochs=settings.epochs, batch_size=64, lr=0.005)
    wide = dataclasses.replace(fit, batch_size=128)
    plan = [
        Stage("rotation", lambda _: rotation(images, inputs, fit, seed, runtime.device)),
        Stage("simclr", lambda _: simclr(images, inputs, wide, seed, runtime.device)),
    ]
    with make_progress() as progress, Trackers(folder=out) as log:
        run_plan(plan, RunFolder(out), runtime=runtime, fit_config=fit, seed=seed, log=log, progress=progress)
    files = [out / f"{stage.name}.safetensors" for stage in plan]
    for stage, file in zip(plan, files, strict=True):
        export_safetensors(models.load(f"run:{out}#{stage.name}"), file)
    tell([f"file:{file}" for file in files], settings)


def accept(file: Path, settings: dict[str, object]) -> None:
    """Go on with the same settings only: a finished encoder is not trained again."""
    if file.exists() and json.loads(file.read_text()) != settings:
        sys.exit(f"{file.parent} holds encoders of other settings ({file}): give another --out.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings))


def tell(encoders: Sequence[str], settings: argparse.Namespace) -> None:
    """Print the commands that use the encoders."""
    data = ["--data", settings.data, *(["--inputs.image_size", str(settings.image_size)] * bool(settings.image_size))]
    data += ["--inputs.val_fraction", str(settings.val_fraction)] * (settings.val_fraction != 0.1)
    views = settings.out / "views"
    words = [word for encoder in encoders for word in ("--encoder", encoder)]
    print(shlex.join(["modelheir", "embed", *data, *words, "--out", str(views)]))
    folders = [str(views / view_name(encoder)) for encoder in encoders]
    few = ["--labels", "1 %", "--views", *folders, "--out", str(settings.out / "few")]
    print(shlex.join(["modelheir", "train", "cotrain", *data, *few]))


if __name__ == "__main__":
    main(read_settings())
