"""Views of synthetic images by encoders that need no files but a run of the world."""

import pytest

from modelheir.assemble import EmbedConfig
from modelheir.config.mapping import from_mapping

DATA = "synthetic:n=96,classes=3,size=8"


@pytest.fixture
def settings(world, tmp_path):
    """Return settings of ``embed``: the features of an untrained network, and a half of the pixels."""

    def config(out="views", **changes):
        usual = {"encoder": (world.old, "pixels:left"), "data": DATA, "out": str(tmp_path / out), "device": "cpu"}
        usual |= {"quiet": True, "batch_size": 8, "shard_images": 16}
        return from_mapping(EmbedConfig, {**usual, **changes})

    return config


@pytest.fixture
def files():
    """Return the content of every file of a folder but the locks."""

    def content(folder):
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix != ".lock"
        }

    return content
