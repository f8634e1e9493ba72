"""A target of three classes, a pool with copies in it, and a teacher that nobody trained."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from modelheir import models, runs
from modelheir.assemble import SelectConfig, select_images
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.engine.progress import SilentProgress
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder

CLASSES = ("cat", "dog", "owl")
SIDE = 24


def picture(seed):
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    found = np.asarray(Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).copy()
    found[rng.integers(4, 12) : rng.integers(14, 20), 5:17] //= 2
    return found


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


class Place:
    """What lies on disk, and a way to select from it."""

    def __init__(self, root):
        self.root = root
        for s, split in enumerate(("train", "val", "test")):
            for c, name in enumerate(CLASSES):
                for i in range(6):
                    save(root / "data" / split / name / f"{i}.png", picture(100 * s + 10 * c + i))
        for i in range(20):
            save(root / "pool" / f"n{i:02d}.png", picture(1000 + i))
        save(root / "pool" / "deep" / "t.png", picture(200))  # of test
        save(root / "pool" / "deep" / "v.png", (picture(111) * 0.7).astype(np.uint8))  # of val, darker
        save(root / "pool" / "deep" / "r.png", picture(5))  # of train
        save(root / "pool" / "twice.png", picture(1003))  # of n03.png
        (root / "pool" / "bad.png").write_bytes(b"nothing")
        self.teacher = self.save_teacher("teacher")

    def save_teacher(self, name, classes=CLASSES, seed=3):
        made = models.build("mlp", classes=classes, image_size=SIDE, config=NetworkConfig(), seed=seed)
        folder = RunFolder(self.root / name)
        write_json(folder.model, made.spec)
        runs.save_weights(folder.weights, made.state_dict())
        return f"run:{folder.path}"

    def config(self, **changes):
        usual = SelectConfig(
            pool=f"folder:{self.root / 'pool'}",
            data=f"folder:{self.root / 'data'}",
            teacher=self.teacher,
            out=str(self.root / "out"),
            top_k=4,
            device="cpu",
            inputs=InputConfig(max_bad_share=0.2),
        )
        return dataclasses.replace(usual, **changes)

    def select(self, **changes):
        return select_images(self.config(**changes), SilentProgress(), command=["modelheir", "select"])


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def save_picture():
    return lambda path, seed: save(path, picture(seed))
