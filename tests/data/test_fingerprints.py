import dataclasses
import json

import numpy as np
import pytest

from modelheir.data.fingerprints import fingerprint
from modelheir.data.sources.files import open_folder


def test_it_is_stable_and_plain(make_images):
    found = fingerprint(make_images())
    assert found == fingerprint(make_images())
    assert json.loads(json.dumps(found)) == found
    assert found["images_hashed"] == 12


@pytest.mark.parametrize(
    "changes",
    [{"labels": np.zeros(12, np.int64)}, {"ids": np.array([f"x{i}" for i in range(12)])}, {"classes": ("a", "b", "c")}],
)
def test_ids_labels_and_classes_count(make_images, changes):
    assert (
        fingerprint(dataclasses.replace(make_images(), **changes))["content"] != fingerprint(make_images())["content"]
    )
    assert fingerprint(dataclasses.replace(make_images(), **changes))["pixels"] == fingerprint(make_images())["pixels"]


def test_pixels_count_where_sampled(make_images):
    other = make_images(seed=1)
    assert fingerprint(other)["pixels"] != fingerprint(make_images())["pixels"]
    assert fingerprint(make_images(), sample=3)["images_hashed"] == 3
    assert fingerprint(make_images(), sample=0) == fingerprint(make_images(), sample=12)
    with pytest.raises(ValueError, match="sample must be >= 0"):
        fingerprint(make_images(), sample=-1)


def test_undecodable_images_are_not_hashed(tmp_path, save, config):
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        save(tmp_path / name, seed=int(name[2]))
    whole = open_folder(str(tmp_path), {}, config)["train"]
    without = fingerprint(whole.subset(np.array([0, 2])))
    file = tmp_path / "a" / "2.png"
    file.write_bytes(file.read_bytes()[:-60])
    found = fingerprint(whole)
    assert (found["images"], found["images_hashed"]) == (3, 2)
    assert found["pixels"] == without["pixels"]
