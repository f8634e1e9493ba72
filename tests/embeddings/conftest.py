"""A view whose vectors are known: ten images in shards of four, three numbers each."""

import dataclasses

import numpy as np
import pytest

from modelheir.embeddings import Rows, ViewFacts, rows_digest, write_facts, write_shard
from modelheir.embeddings.rows import write_rows

IDS = np.array([f"img/{number:02d}.png" for number in range(10)])
ROWS = Rows(IDS, np.arange(10) % 3 - 1, np.array(["train"] * 7 + ["test"] * 3))
FACTS = ViewFacts(
    encoder={"address": "timm:net", "fingerprint": "f" * 64},
    preprocessing={"resize": 9, "crop": 8, "encoder": {"mean": [0.5]}, "precision": "fp32"},
    data={"address": "folder:photos", "content": "c" * 64, "pixels": "p" * 64},
    rows=rows_digest(ROWS),
    classes=("cat", "dog"),
    count=10,
    width=3,
    dtype="float16",
    shard_images=4,
)
VECTORS = np.arange(30, dtype=np.float32).reshape(10, 3) / 4  # float16 holds them exactly


@pytest.fixture
def facts():
    return FACTS


@pytest.fixture
def rows():
    return ROWS


@pytest.fixture
def vectors():
    return VECTORS.copy()


@pytest.fixture
def write(tmp_path):
    """Write shards of the view, all where none is named, and return the folder."""

    def view(*numbers, name="view", missing=(), **changes):
        folder, facts = tmp_path / name, dataclasses.replace(FACTS, **changes)
        write_facts(folder, facts)
        write_rows(folder, facts, ROWS)
        for number in numbers or range(facts.shards):
            part = facts.shard(number)
            lost = np.array([row - part.start for row in missing if row in part], dtype=np.int64)
            write_shard(folder, facts, number, VECTORS[part.start : part.stop], IDS[part.start : part.stop], lost)
        return folder

    return view
