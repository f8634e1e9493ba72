import dataclasses

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import hflip, rotate

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import SequenceConfig, make_sequence, open_splits
from modelheir.data.history.variants import VARIANTS, add_variants
from modelheir.data.shifts.framing import crop_zoom


@pytest.fixture
def splits():
    return open_splits("synthetic:n=200,classes=3,size=16", InputConfig())


def variants(images, kind, **settings):
    return add_variants(images, kind, random=np.random.default_rng(0), **settings)


def test_mirror_images_and_turns_are_torchvision_s(splits):
    images = splits["train"].subset(np.arange(3))
    found = variants(images, "turns")
    assert len(found) == 14 * 3
    assert found.labels.tolist() == np.repeat(images.labels, 14).tolist()
    pixels = torch.tensor(images.array[1]).permute(2, 0, 1)
    wanted = [
        rotate(hflip(pixels) if mirrored else pixels, angle).permute(1, 2, 0).numpy()
        for mirrored in (False, True)
        for angle in (0, 5, -5, 10, -10, 15, -15)
    ]
    assert np.array_equal(found.array[14:28], wanted)
    assert found.ids[[14, 15, 27]].tolist() == [
        str(images.ids[1]), f"{images.ids[1]}/turned+5", f"{images.ids[1]}/mirrored/turned-15",
    ]  # fmt: skip


def test_crops_are_of_each_of_them(splits):
    images = splits["train"].subset(np.arange(2))
    plain, found = variants(images, "turns"), variants(images, "turns_and_crops")
    assert len(found) == 70 * 2
    for number, kept in enumerate((1, 30 / 32, 28 / 32, 26 / 32, 24 / 32)):
        own = np.rint(np.clip(crop_zoom(plain.array.astype(np.float32) / 255, kept), 0, 1) * 255)
        assert np.array_equal(found.array[number::5], own)


def test_some_are_drawn(splits):
    images = splits["train"]
    found = variants(images, "turns", drawn=2)
    assert len(found) == 2 * len(images)
    every = set(variants(images, "turns").ids.tolist())
    assert set(found.ids.tolist()) < every
    assert len({one.partition("/turned")[2] for one in found.ids.tolist()}) == 7
    assert len(variants(images, "turns", drawn=99)) == 14 * len(images)


def test_a_sequence_has_them_in_training_alone(splits):
    config = SequenceConfig("rotation", sizes=(60, 30), test_size=20)
    plain = make_sequence(splits["train"], splits["test"], config)
    more = make_sequence(splits["train"], splits["test"], dataclasses.replace(config, variants="turns", drawn=3))
    for one, two in zip(plain.steps, more.steps, strict=True):
        assert len(two["train"]) == 3 * len(one["train"])
        assert set(two["train"].columns["base"]) == set(one["train"].columns["base"])
        for split in set(one) - {"train"}:
            assert two[split].ids.tolist() == one[split].ids.tolist()


def test_what_they_may_be(splits):
    assert VARIANTS[0] == "none"
    assert variants(splits["train"], "none") is splits["train"]
    for settings, said in (({"variants": "turn"}, "Did you mean 'turns'"), ({"drawn": 2}, "drawn = 2 has no effect")):
        config = SequenceConfig("rotation", sizes=(60, 30), test_size=20, **settings)
        with pytest.raises(InputError, match=said):
            make_sequence(splits["train"], splits["test"], config)
