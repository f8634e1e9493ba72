"""Caches of small teachers over synthetic images, and what training would see."""

import dataclasses

import numpy as np
import pytest

from modelheir.assemble import CacheConfig, write_cache
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping

DATA = "synthetic:n=96,classes=3,size=8"


class Caches:
    """Writes caches of the world's untrained teachers."""

    def __init__(self, world, tmp_path):
        self.world, self.path = world, tmp_path

    def settings(self, name="cache", **changes):
        usual = {"teacher": (self.world.old,), "data": DATA, "out": str(self.path / name), "views": 3, "device": "cpu"}
        usual |= {"dtype": "float32", "allow_weak_teacher": True, "quiet": True, "batch_size": 16}
        return from_mapping(CacheConfig, {**usual, **changes})

    def write(self, name="cache", **changes):
        return write_cache(self.settings(name, **changes))

    def given(self, folder, views=3, splits=None, **changes):
        """Return what a plan is handed, as a run with the cache is: its views, and the cache as the old model."""
        inputs = InputConfig(**{"mirror": False, "augment_seed": 0, **changes})
        given = self.world.given(inputs=inputs, old=(f"cache:{folder}",), splits=splits)
        data = dataclasses.replace(given.data, view_cycle=views)
        return dataclasses.replace(given, data=data, old=dataclasses.replace(given.old, data=data))

    def arrays(self, folder, name="logits"):
        """Return an array of all shards, joined, and the sample ids."""
        import pyarrow.parquet as pq

        files = sorted(folder.glob(f"{name}-*.npy"), key=lambda path: int(path.stem.split("-")[1]))
        ids = [
            one
            for path in sorted(folder.glob("ids-*.parquet"), key=lambda path: int(path.stem.split("-")[1]))
            for one in pq.read_table(path)["sample_id"].to_pylist()
        ]
        return np.concatenate([np.load(path) for path in files], axis=1), ids


@pytest.fixture
def caches(world, tmp_path):
    return Caches(world, tmp_path)
