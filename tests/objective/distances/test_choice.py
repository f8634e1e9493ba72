"""What is chosen, what that leaves aside, and which choice needs labels."""

import dataclasses

import pytest

from modelheir.checks import InputError
from modelheir.config.mapping import from_mapping
from modelheir.objective.distances import DISTANCES, LOSSES, DistanceConfig, LossesConfig, label_setting

#: stated once more by hand: a changed default would change every run without a word
USUAL = {
    "kl_distillation": {"temperature": 100.0, "scale_by_square": True},
    "logit_matching": {"reduction": "mean"},
    "logit_difference": {
        **{"margin": 0.5, "power": 2.0, "top_k": 0, "rank_by": "new", "exclude_label": True, "one_sided": False},
        **{"label_weight": 0.0, "relative": False, "p_norm": False},
    },
    "neighbourhood_alignment": {"temperature": 0.05, "top_k": 1, "supervised": False, "order": "out"},
    "renyi": {"alpha": 2.0, "reorder": False},
    "retentive_cross_entropy": {"two_heads": False},
    "random_projection": {"width": 128, "new_projection": "learnable", "normalize": False, "bias": False},
    "contrastive_feature_alignment": {"margin": 3.0},
}


def test_the_usual_settings_are_the_papers():
    usual = {"loss": "kl_distillation", "mix_with": "none", "mix_share": 0.5}
    assert dataclasses.asdict(DistanceConfig()) == {**usual, **USUAL}


def test_a_distance_that_is_not_chosen_takes_no_settings():
    config = DistanceConfig(loss="renyi", mix_with="imitation")
    assert set(config.unread()) == {name for name, row in DISTANCES.items() if row.settings} - {"renyi"}
    assert "mix_share" in DistanceConfig().unread()


def test_what_is_not_read_names_the_choices_that_leave_it_aside():
    alone, mixed = DistanceConfig(loss="renyi"), DistanceConfig(loss="renyi", mix_with="logit_matching")
    assert alone.unread() == {
        **dict.fromkeys(USUAL.keys() - {"renyi"}, "loss = 'renyi'"),
        "mix_share": "mix_with = 'none'",
    }
    assert mixed.unread() == dict.fromkeys(
        USUAL.keys() - {"renyi", "logit_matching"}, "loss = 'renyi' and mix_with = 'logit_matching'"
    )


def test_several_losses_leave_the_settings_of_the_others_aside():
    config = LossesConfig(losses=("renyi", "logit_matching"))
    assert set(config.unread()) == {name for name, row in LOSSES.items() if row.settings} - {
        "renyi",
        "logit_matching",
    } | {"taps"}
    assert LossesConfig().kl_distillation.temperature == 4.0


def test_a_loss_that_is_none_is_missed_with_the_nearest():
    with pytest.raises(InputError, match="kl_distillation"):
        from_mapping(LossesConfig, {"losses": ["kl_distilation"]})


def test_which_choice_needs_one_label_an_image():
    assert label_setting(LossesConfig(losses=("renyi", "strict_imitation"))) == "losses = 'strict_imitation'"
    assert label_setting(LossesConfig()) == ""
