import dataclasses

import numpy as np
import torch
from torchvision.transforms.functional import normalize

from modelheir.data.history.portraits import compat_portraits


def decades(make_images, sizes):
    time = np.repeat(np.arange(len(sizes)), sizes)
    images = make_images(n=len(time), classes=2)
    return dataclasses.replace(images, columns={"time": time, "decade": np.array([f"{1930 + 10 * t}s" for t in time])})


def test_splits_are_four_to_one_and_40_10_50_in_the_newest(make_images):
    images = decades(make_images, (57, 40, 83))
    history = compat_portraits(images, name="toy")
    found = [{split: len(part) for split, part in step.items()} for step in history.steps]
    assert found == [{"train": 45, "val": 12}, {"train": 32, "val": 8}, {"train": 33, "val": 8, "test": 42}]
    assert history.names == ("1930s", "1940s", "1950s")
    for number, step in enumerate(history.steps):
        assert all(set(part.columns["time"]) == {number} for part in step.values())
    every = np.concatenate([part.ids for step in history.steps for part in step.values()])
    assert sorted(every) == sorted(images.ids)


def test_the_order_is_that_of_seed_1007(make_images):
    history = compat_portraits(decades(make_images, (20, 20)), name="toy")
    order = np.random.RandomState(1007).permutation(20)
    assert history.steps[0]["train"].ids.tolist() == [f"toy/{row:03d}" for row in sorted(order[:16])]
    assert history.newest["val"].ids.tolist() == [f"toy/{row + 20:03d}" for row in sorted(order[8:10])]


def test_compat_normalises_by_255_times_what_was_meant(make_images):
    """Values lie in -2.12 to -1.79 and the whole swing from black to white is 0.017."""
    settings = compat_portraits(decades(make_images, (20, 20)), name="toy").settings
    assert settings["inputs.augment"] == "none"
    swing = torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)])
    seen = normalize(swing, settings["network.mean"], settings["network.std"]).flatten(1)
    assert np.isclose(seen.min(), -2.118, atol=0.002)
    assert np.isclose(seen.max(), -1.787, atol=0.002)
    assert np.allclose(seen[1] - seen[0], 0.017, atol=0.001)
