"""The settings of a run."""

import pytest

from modelheir.checks import InputError, validate
from modelheir.config.run import TrainConfig, from_mapping, to_mapping


def test_defaults_are_valid_and_come_back():
    validate(TrainConfig())
    assert from_mapping(TrainConfig, to_mapping(TrainConfig())) == TrainConfig()


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3", "mps"])
def test_devices(device):
    assert TrainConfig(device=device).device == device


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_other_devices_are_refused(device):
    with pytest.raises(InputError, match="must be auto, cpu, cuda, cuda:N or mps"):
        TrainConfig(device=device)


def test_three_seeds_are_three_settings():
    """Initial weights and data order can be varied one at a time (PC-89)."""
    made = from_mapping(TrainConfig, {"seed": 1, "init_seed": 2, "data_seed": 3})
    assert (made.seed, made.init_seed, made.data_seed) == (1, 2, 3)
    assert TrainConfig().init_seed is None


def test_stages_learn_by_a_list_or_by_depth():
    with pytest.raises(
        InputError, match=r"fit.layer_decay = 0.5 and fit.lr_multipliers both .*: leave one of them out"
    ):
        from_mapping(TrainConfig, {"fit": {"layer_decay": 0.5, "lr_multipliers": [1, 2]}})
    for fit in ({"layer_decay": 0.5}, {"lr_multipliers": [1, 2]}, {"layer_decay": 1.0, "lr_multipliers": [1, 2]}):
        from_mapping(TrainConfig, {"fit": fit})


def test_the_classifier_has_one_rate():
    with pytest.raises(InputError, match=r"fit.head_multiplier = 3 and fit.lr_multipliers both .*: leave one of them"):
        from_mapping(TrainConfig, {"fit": {"head_multiplier": 3, "lr_multipliers": [1, 2]}})
    for usual in (0, 1):  # as a run folder keeps it
        from_mapping(TrainConfig, {"fit": {"head_multiplier": usual, "lr_multipliers": [1, 2]}})


@pytest.mark.parametrize("fit", [{"head_multiplier": 2}, {"layer_decay": 0.5}, {"no_decay": ["head"]}])
def test_shared_coordinates_have_no_stages_and_no_names(fit):
    with pytest.raises(InputError, match=rf"fit.{next(iter(fit))} has no effect with trainable = 'plane:2'"):
        from_mapping(TrainConfig, {"trainable": "plane:2", "fit": fit})


def test_weights_of_old_models_are_limited():
    with pytest.raises(InputError, match=r"old_weights = -1.0: must be >= 0"):
        from_mapping(TrainConfig, {"old_weights": [1, -1]})
