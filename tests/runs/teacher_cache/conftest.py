"""A cache in files whose content is known: five images in two shards, three views, four classes."""

import dataclasses

import numpy as np
import pytest

from modelheir.runs.teacher_cache.manifest import Manifest, write_manifest
from modelheir.runs.teacher_cache.shards import Images, output_arrays, writing_shard
from modelheir.shard import Shard

TOLD = Manifest(
    shards=2,
    images=5,
    ids="0" * 64,
    classes=("a", "b", "c", "d"),
    teachers=({"address": "run:T", "weight": 1.0, "files": {"model.json": "1" * 64}},),
    policy={"average": "logits", "batch_norm": "eval", "precision": "fp32"},
    kind="crops",
    views=3,
    inputs={"image_size": 8, "augment": "crop"},
    dtype="float32",
    top_k=0,
    features=2,
)


def images(rows):
    ids = np.array([f"img/{row}.png" for row in rows])
    sizes = np.array([[8 + row, 9 + row] for row in rows], np.int32)
    return Images(ids, np.array([2**63 + row for row in rows], np.uint64), sizes)


@pytest.fixture
def told():
    return TOLD


@pytest.fixture
def write(tmp_path):
    """Write a shard: the value of a cell is 100 view + 10 row + column, features are that + 0.5; return the folder."""

    def shard(number, **changes):
        told, folder = dataclasses.replace(TOLD, **changes), tmp_path / "cache"
        write_manifest(folder, told)
        which = Shard(number, told.shards)
        rows = which.rows(told.images)
        layout = output_arrays(told, len(rows))
        with writing_shard(folder, which, images(rows), layout) as arrays:
            for name, array in arrays.items():
                view, row, column = np.indices(array.shape)
                array[:] = 100 * view + 10 * (row + rows.start) + column + (0.5 if name == "features" else 0)
        return folder

    return shard
