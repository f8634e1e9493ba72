import dataclasses
import json

import numpy as np
import pytest

from modelheir.data.fingerprint import fingerprint


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
