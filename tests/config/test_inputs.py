import dataclasses

import pytest

from modelheir.checks import InputError, limits, validate
from modelheir.config.inputs import InputConfig, imagenet


def test_defaults_are_within_their_limits():
    validate(InputConfig())
    validate(imagenet())


BAD = {
    "max_bad_share": -0.1, "max_megapixels": 100.0, "verify": "opn", "val_fraction": 1.5, "test_fraction": float("nan"),
    "train_fraction": -1.0, "train_per_class": -1, "label_noise": 1.1,
    "image_size": -1, "resize": -1, "augment": "crop_flp",
    "crop_pad": -1, "policy_operations": 0, "policy_magnitude": 31, "erase": 1.1, "mixup": -0.1, "cutmix": -0.1,
    "mix_probability": 2.0, "mix_switch": -1.0, "views": "center", "loader": "stream", "resident_gib": -1.0,
    "workers": -1, "split_seed": -1, "augment_seed": -1,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_values_name_their_key(name):
    with pytest.raises(InputError, match=rf"input\.{name} = .*: must be "):
        validate(dataclasses.replace(InputConfig(), **{name: BAD[name]}), "input")


def test_every_limit_has_a_bad_value():
    assert {name for name, _, limit in limits(InputConfig) if limit is not None} == set(BAD)


def test_the_nearest_spelling_is_offered():
    with pytest.raises(InputError, match=r"Did you mean 'crop_flip'"):
        validate(dataclasses.replace(InputConfig(), augment="crop_flp"))


def test_imagenet_is_the_usual_preset_and_can_be_changed():
    config = imagenet(image_size=299, workers=2)
    assert (config.image_size, config.resize, config.workers) == (299, 256, 2)
    assert imagenet().augment == "random_resized_crop"
